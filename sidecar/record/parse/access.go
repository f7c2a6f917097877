package parse

import "bytes"

// Keys of access logs and of syslog are those of fluentd's and Fluent Bit's own
// parsers: dashboards know them. What is written as - is absent.
var (
	keyHost    = []byte("host")
	keyUser    = []byte("user")
	keyMethod  = []byte("method")
	keyPath    = []byte("path")
	keyCode    = []byte("code")
	keySize    = []byte("size")
	keyReferer = []byte("referer")
	keyAgent   = []byte("agent")
	keyRemote  = []byte("remote")
	keyForward = []byte("http_x_forwarded_for")
	keyTime    = []byte("parsed_time") // of a time that cannot be read
)

// readApache reads the common and the combined log format of Apache httpd.
func readApache(r *Rules, s []byte, out *Reading) bool { return r.access(s, out, false) }

// readNginx reads nginx's combined log format, also with one more value in
// quotes at its end, as its configuration files come with.
func readNginx(r *Rules, s []byte, out *Reading) bool { return r.access(s, out, true) }

// access reads HOST IDENT USER [TIME] "METHOD PATH PROTOCOL" CODE SIZE
// "REFERER" "AGENT"; the last two may be absent. nginx: the first is the
// remote host, and the second the host.
func (r *Rules) access(s []byte, out *Reading, nginx bool) bool {
	host, s := token(s)
	ident, s := token(s)
	user, s := token(s)
	if len(host) == 0 || len(user) == 0 || len(s) == 0 || s[0] != '[' {
		return false
	}
	end := bytes.IndexByte(s, ']')
	if end < 0 || end+2 >= len(s) || s[end+1] != ' ' || s[end+2] != '"' {
		return false
	}
	when, s := s[1:end], s[end+2:]
	if end, _ = quoted(s); end < 0 || end >= len(s) || s[end] != ' ' {
		return false
	}
	request := s[1 : end-1]
	code, s := token(s[end+1:])
	size, s := token(s)

	if nginx {
		out.say(keyRemote, host)
		out.say(keyHost, ident)
	} else {
		out.say(keyHost, host)
	}
	out.say(keyUser, user)
	out.request(request)
	if !out.count(keyCode, code) || !out.count(keySize, size) {
		return false
	}
	if len(s) > 0 {
		var ok bool
		if s, ok = out.quotedValue(keyReferer, s); !ok || len(s) == 0 {
			return false
		}
		if s, ok = out.quotedValue(keyAgent, s); !ok {
			return false
		}
		if len(s) > 0 {
			if s, ok = out.quotedValue(keyForward, s); !nginx || !ok || len(s) > 0 {
				return false
			}
		}
	}
	r.when(when, out)
	return true
}

// when reads the time that a format has at a place of its own.
func (r *Rules) when(s []byte, out *Reading) {
	if !r.timing.take(s, String, out) {
		out.say(keyTime, s)
	}
}

// token is what stands before the next space, and what follows that.
func token(s []byte) (first, rest []byte) {
	i := bytes.IndexByte(s, ' ')
	if i < 0 {
		return s, nil
	}
	return s[:i], s[i+1:]
}

// say adds a text, unless it is absent. The key is not there yet.
func (out *Reading) say(key, value []byte) {
	if len(value) == 0 || len(value) == 1 && value[0] == '-' {
		return
	}
	out.Fields = append(out.Fields, Field{key, value, String, true})
}

// count adds a number of digits, unless it is absent. False: it is none.
func (out *Reading) count(key, value []byte) bool {
	if len(value) == 1 && value[0] == '-' {
		return true
	}
	if len(value) == 0 || len(value) > 18 {
		return false
	}
	for _, c := range value {
		if !isDigit(c) {
			return false
		}
	}
	for len(value) > 1 && value[0] == '0' { // nginx's 000
		value = value[1:]
	}
	out.Fields = append(out.Fields, Field{key, value, Number, true})
	return true
}

// request adds what the client has asked for: METHOD PATH PROTOCOL. A path may
// have blanks in it, and what is no HTTP may be anything.
func (out *Reading) request(s []byte) {
	method, path := token(s)
	out.say(keyMethod, method)
	if i := bytes.LastIndexByte(path, ' '); i >= 0 {
		path = path[:i]
	}
	out.say(keyPath, bytes.Trim(path, " "))
}

// quotedValue adds the value in quotes that s begins with; rest is what follows
// it and a space.
func (out *Reading) quotedValue(key, s []byte) (rest []byte, ok bool) {
	if len(s) == 0 || s[0] != '"' {
		return nil, false
	}
	end, _ := quoted(s)
	if end < 0 || end < len(s) && (s[end] != ' ' || end+1 == len(s)) {
		return nil, false
	}
	out.say(key, s[1:end-1])
	if end == len(s) {
		return nil, true
	}
	return s[end+1:], true
}
