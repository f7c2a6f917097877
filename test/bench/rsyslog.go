package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// rsyslogs is rsyslog, imfile to omelasticsearch, of Debian's packages rsyslog,
// rsyslog-elasticsearch, libestr0 and libfastjson4, installed or unpacked below root.
func rsyslogs(root string) (shipper, error) {
	modules, _ := filepath.Glob(filepath.Join(root, "usr/lib/*/rsyslog/omelasticsearch.so"))
	if len(modules) != 1 {
		return shipper{}, fmt.Errorf("-rsyslog %q: there is no usr/lib/*/rsyslog/omelasticsearch.so below it; unpack or install rsyslog-elasticsearch", root)
	}
	folder := filepath.Dir(modules[0])
	return shipper{
		name: "rsyslog, imfile to omelasticsearch", slow: true,
		env: []string{"LD_LIBRARY_PATH=" + filepath.Dir(folder)},
		command: func(dir, to, file string) ([]string, error) {
			u, err := url.Parse(to)
			if err != nil {
				return nil, err
			}
			work := filepath.Join(dir, "rsyslog") // what it has read of the file, too
			os.RemoveAll(work)
			if err := os.Mkdir(work, 0o755); err != nil {
				return nil, err
			}
			config := filepath.Join(dir, "rsyslog.conf")
			return []string{filepath.Join(root, "usr/sbin/rsyslogd"), "-n", "-f", config, "-i", filepath.Join(work, "pid"), "-M", folder},
				os.WriteFile(config, fmt.Appendf(nil, `global(workDirectory=%q)
module(load="imfile")
module(load="omelasticsearch")
template(name="document" type="list") {
  constant(value="{\"@timestamp\":\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\",\"log\":\"") property(name="msg" format="json")
  constant(value="\",\"path\":\"") property(name="$!metadata!filename" format="json") constant(value="\"}")
}
input(type="imfile" file=%q tag="shop" addMetadata="on" ruleset="ship")
ruleset(name="ship") {
  action(type="omelasticsearch" server=%q serverport=%q template="document" searchIndex="logs" searchType=""
    bulkmode="on" maxbytes="1m" action.resumeRetryCount="-1"
    queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="4000")
}
`, work, file, u.Hostname(), u.Port()), 0o644)
		},
	}, nil
}
