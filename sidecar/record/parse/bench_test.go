package parse

import (
	"testing"

	"logging.taco/sidecar/record/jsontext"
)

// samples are lines of the usual length, by what is asked for.
var samples = []struct {
	name string
	o    Options
	line string
}{
	{"json", Options{Format: "json"}, `{"time":"2018-02-04T01:17:27.349642941Z","level":"info","logger":"o.a.c.service.StorageService","thread":"http-nio-8080-exec-7","message":"handled request for tenant \"acme\"","status":200,"took_ms":12.25,"ctx":{"trace":"4bf92f3577b34da6","user":"u-1042"}}`},
	{"logfmt", Options{Format: "logfmt"}, `time=2018-02-04T01:17:27.349Z level=info logger=o.a.c.service.StorageService msg="handled request for tenant acme" method=GET path=/api/v1/orders status=200 took=12.25ms trace=4bf92f3577b34da6 user=u-1042`},
	{"ltsv", Options{Format: "ltsv", Types: "status:integer,size:integer,reqtime:float"}, "time:[28/Feb/2013:12:00:00 +0900]\thost:192.168.0.1\treq:GET /api/v1/orders?page=4 HTTP/1.1\tstatus:200\tsize:5316\treferer:https://example.com/shop\tua:Mozilla/5.0 (X11; Linux x86_64)\treqtime:0.025\tvhost:shop.example.com"},
	{"csv", Options{Format: "csv:time,level,thread,logger,message", Types: "thread:integer"}, `2018-02-04T01:17:27.349642Z,INFO,17,o.a.c.service.StorageService,"handled request for tenant ""acme"", order 4711, in 12.25 ms, after 3 retries"`},
	{"tsv", Options{Format: "tsv:time,level,thread,logger,message"}, "2018-02-04T01:17:27.349642Z\tINFO\t17\to.a.c.service.StorageService\thandled request for tenant acme, order 4711, in 12.25 ms, after 3 retries"},
	{"apache2", Options{Format: "apache2"}, `192.168.17.42 - frank [10/Oct/2000:13:55:36 -0700] "GET /shop/orders/4711?page=4&sort=date HTTP/1.1" 200 5316 "https://www.example.com/shop/start" "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"`},
	{"nginx", Options{Format: "nginx"}, `192.168.17.42 - - [10/Oct/2000:13:55:36 -0700] "GET /shop/orders/4711?page=4&sort=date HTTP/1.1" 200 5316 "https://www.example.com/shop/start" "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0" "10.1.2.3"`},
	{"syslog3164", Options{Format: "syslog"}, `Feb  4 01:17:27 node-1 sshd[4711]: Accepted publickey for core from 10.1.2.3 port 50022 ssh2: ED25519 SHA256:2gFjYgmuHbCpSWx0mJ4pQY7hW1Tn8vWZ5d4cJrWmFgI`},
	{"syslog5424", Options{Format: "syslog"}, `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 4711 ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] handled request for tenant acme, order 4711, in 12.25 ms`},
	{"regexp", Options{Format: `regexp:^(?P<time>\S+) (?P<level>[A-Z]+) \[(?P<thread>[^\]]+)\] (?P<logger>\S+) - (?P<message>.*)`}, `2018-02-04T01:17:27.349642Z INFO [http-nio-8080-exec-7] o.a.c.service.StorageService - handled request for tenant acme, order 4711, in 12.25 ms`},
	{"time", Options{TimeFormat: "%Y-%m-%d %H:%M:%S,%L"}, `2018-02-04 01:17:27,349 INFO [http-nio-8080-exec-7] o.a.c.service.StorageService - handled request for tenant acme, order 4711, in 12.25 ms, after 3 retries`},
	{"localtime", Options{TimeFormat: "%Y-%m-%d %H:%M:%S,%L", TimeZone: "Europe/Berlin"}, `2018-02-04 01:17:27,349 INFO [http-nio-8080-exec-7] o.a.c.service.StorageService - handled request for tenant acme, order 4711, in 12.25 ms, after 3 retries`},
	{"filters", Options{Drop: []string{`GET /healthz`, `\bDEBUG\b`}, Redact: []string{`password=(?P<v>\S+)`}, Add: map[string]string{"env": "prod"}}, `2018-02-04 01:17:27,349 INFO [http-nio-8080-exec-7] o.a.c.service.StorageService - handled request for tenant acme, order 4711, in 12.25 ms, after 3 retries`},
}

func TestNothingIsAllocated(t *testing.T) {
	for _, s := range samples {
		r := rules(t, s.o)
		line := []byte(s.line)
		var out Reading
		var b []byte
		n := testing.AllocsPerRun(100, func() {
			r.Read(line, &out)
			b = out.AppendJSON(b[:0])
		})
		if out.ParseError || out.TimeError || out.Dropped {
			t.Errorf("%s is not read: %s", s.name, b)
		}
		if n > 0 && s.name != "regexp" {
			t.Errorf("%s: %v allocations for a record", s.name, n)
		}
	}
}

// BenchmarkRead is the reading alone.
func BenchmarkRead(b *testing.B) {
	for _, s := range samples {
		b.Run(s.name, func(b *testing.B) {
			r := rules(b, s.o)
			line := []byte(s.line)
			var out Reading
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				r.Read(line, &out)
			}
		})
	}
}

// BenchmarkDocument is the reading and the writing of text and fields.
func BenchmarkDocument(b *testing.B) {
	for _, s := range samples {
		b.Run(s.name, func(b *testing.B) {
			r := rules(b, s.o)
			line := []byte(s.line)
			var out Reading
			var doc []byte
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				r.Read(line, &out)
				doc = append(doc[:0], `{"log":`...)
				doc = jsontext.AppendString(doc, out.Text)
				doc = append(out.AppendJSON(doc), '}')
			}
		})
	}
}
