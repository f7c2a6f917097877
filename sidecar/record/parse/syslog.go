package parse

import (
	"bytes"
	"time"
)

var (
	keyPriority = []byte("pri")
	keyIdent    = []byte("ident")
	keyPID      = []byte("pid")
	keyMsgID    = []byte("msgid")
	keyExtra    = []byte("extradata")
	keyMessage  = []byte("message")
)

// readSyslog reads RFC 5424, which has a version after the priority, or what
// files have of RFC 3164: the priority may be absent, and the time may be one of
// RFC 3339.
func readSyslog(r *Rules, s []byte, out *Reading) bool {
	if s[0] == '<' {
		end := bytes.IndexByte(s, '>')
		if end < 2 || end > 4 || !out.count(keyPriority, s[1:end]) || s[1] == '-' {
			return false
		}
		if end == 4 && string(s[1:4]) > "191" {
			return false
		}
		s = s[end+1:]
		if len(s) > 1 && s[0] >= '1' && s[0] <= '9' && (s[1] == ' ' || len(s) > 2 && isDigit(s[1]) && s[2] == ' ') {
			_, s = token(s)
			return r.readRFC5424(s, out)
		}
	}
	var when []byte
	if len(s) > 0 && isDigit(s[0]) {
		when, s = token(s)
	} else if len(s) > 15 && s[3] == ' ' && s[6] == ' ' && s[9] == ':' && s[12] == ':' && s[15] == ' ' {
		when, s = s[:15], s[16:] // Jan _2 15:04:05
	}
	if len(when) == 0 {
		return false
	}
	host, s := token(s)
	if len(host) == 0 || s == nil {
		return false
	}
	r.when(when, out)
	out.say(keyHost, host)
	ident, pid, message := tag(s)
	out.say(keyIdent, ident)
	out.say(keyPID, pid)
	out.say(keyMessage, message)
	return true
}

// tag reads IDENT[PID]: and what follows. A text without it is all message.
func tag(s []byte) (ident, pid, message []byte) {
	n := bytes.IndexAny(s, " :[")
	if n <= 0 {
		return nil, nil, s
	}
	ident, rest := s[:n], s[n:]
	if rest[0] == '[' {
		end := bytes.IndexByte(rest, ']')
		if end < 0 {
			return nil, nil, s
		}
		pid, rest = rest[1:end], rest[end+1:]
	}
	if len(rest) == 0 || rest[0] != ':' {
		return nil, nil, s
	}
	return ident, pid, bytes.TrimLeft(rest[1:], " ")
}

// readRFC5424 reads TIME HOST APP PROCID MSGID, structured data, and a message.
func (r *Rules) readRFC5424(s []byte, out *Reading) bool {
	when, s := token(s)
	host, s := token(s)
	ident, s := token(s)
	pid, s := token(s)
	msgid, s := token(s)
	if len(when) == 0 || len(host) == 0 || len(ident) == 0 || len(pid) == 0 || len(msgid) == 0 {
		return false
	}
	n := dataLen(s)
	if n == 0 || n < len(s) && s[n] != ' ' {
		return false
	}
	if len(when) > 1 || when[0] != '-' { // its way to say: none
		r.when(when, out)
	}
	out.say(keyHost, host)
	out.say(keyIdent, ident)
	out.say(keyPID, pid)
	out.say(keyMsgID, msgid)
	out.say(keyExtra, s[:n])
	if n < len(s) {
		out.say(keyMessage, bytes.TrimPrefix(s[n+1:], bom))
	}
	return true
}

// bom may stand before a message, to say that it is UTF-8.
var bom = []byte("\uFEFF")

// dataLen is the length of the structured data at the start of s: - or
// [id name="value"…] elements, whose values escape ", \ and ].
func dataLen(s []byte) int {
	if len(s) > 0 && s[0] == '-' {
		return 1
	}
	n := 0
	for n < len(s) && s[n] == '[' {
		inValue := false
		for n++; ; n++ {
			if n >= len(s) {
				return 0
			}
			switch c := s[n]; {
			case c == '\\' && inValue:
				n++
				continue
			case c == '"':
				inValue = !inValue
				continue
			case c != ']' || inValue:
				continue
			}
			break
		}
		n++
	}
	return n
}

// syslogTime reads the times of both RFCs.
func syslogTime(zone *time.Location, now func() time.Time) (timeFormat, error) {
	l, err := compile("%b %d %H:%M:%S")
	if err != nil {
		return nil, err
	}
	l.zone, l.now = orUTC(zone), now
	return func(s []byte) (time.Time, int) {
		if len(s) > 0 && isDigit(s[0]) {
			return readRFC3339(s, zone)
		}
		return l.read(s)
	}, nil
}
