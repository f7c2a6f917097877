package main

import "fmt"

// parse times reading lines whose fields and time are parsed.
func parse(dir string) error {
	all := make([]input, 0, len(formats))
	for _, f := range formats {
		all = append(all, input{f.lines, f.line, func(string) []peer {
			peers := []peer{tail, ours("json, not parsed", "--emit=json").by(object)}
			for _, name := range f.names {
				peers = append(peers, ours("json, --format "+name, "--emit=json", "--format="+name).by(object))
			}
			if collector.program != "" {
				peers = append(peers, collected("filelog to JSON, not parsed", ""), collected("the same, parsed", f.operators))
			}
			return peers
		}})
	}
	return toPipe(dir, all)
}

// A format is lines, and who reads them.
type format struct {
	lines     string
	line      func(i int) string
	names     []string // of our --format
	operators string   // of the collector
}

// combined reads the combined log format of Apache and nginx.
const combined = `{type: regex_parser, regex: '^(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] ` +
	`"(?P<method>\S+) (?P<path>\S+) (?P<protocol>[^"]*)" (?P<code>\d+) (?P<size>\S+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"', ` +
	`timestamp: {parse_from: attributes.time, layout: '%d/%b/%Y:%H:%M:%S %z'}}`

var formats = []format{
	{"access log lines of 244 bytes", access, []string{"apache2", "nginx"}, combined},
	{"JSON lines of 266 bytes", func(i int) string {
		return fmt.Sprintf(`{"time":"2026-11-21T10:%02d:%02d.%03dZ","level":"info","logger":"com.example.shop.OrderService","thread":"http-nio-8080-exec-%02d",`+
			`"message":"processed order %09d","customer":%d,"duration_ms":%d,"status":"OK","trace":"%016x","items":3,"region":"eu-1"}`+"\n",
			i/60000%60, i/1000%60, i%1000, i%20, i, i*7%1000000, i%5000, i*40503)
	}, []string{"json"}, `{type: json_parser, timestamp: {parse_from: attributes.time, layout: '%Y-%m-%dT%H:%M:%S.%LZ'}}`},
}

// access is a line of an access log in the combined format.
func access(i int) string {
	return fmt.Sprintf(`10.%d.%d.%d - - [21/Nov/2026:10:%02d:%02d +0000] "GET /shop/orders/%09d?page=%d&sort=date HTTP/1.1" %d %d `+
		`"https://shop.example/orders" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"`+"\n",
		i/65536%256, i/256%256, i%256, i/60000%60, i/1000%60, i, i%9+1, []int{200, 200, 304, 404}[i%4], i*7%100000)
}
