package ship

import (
	"encoding/json"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// TestParsedFields ships objects with all that a real node refuses in a
// document: each is stored, with its fields under names that can be searched.
func TestParsedFields(t *testing.T) {
	t.Parallel()
	// Each line has names of its own: what one maps is not in another's way.
	deep := func(name string, levels int) string {
		return `{"` + name + `":` + strings.Repeat(`{"k":`, levels-1) + `{}` + strings.Repeat("}", levels)
	}
	cases := []struct{ line, want string }{
		{`{"k1":1,"k1":2,"o1":{"x":1,"y":0,"x":{"z":1,"z":2}}}`, `{"k1":2,"o1":{"y":0,"x":{"z":2}}}`},
		{`{"":1,".a3":2,"b3..c":3,"d3.":4,"e3. .f":6,"o3":{"":1,"a..b":2}}`, `{"_":1,"_a3":2,"b3__c":3,"d3_":4,"e3_ _f":6,"o3":{"_":1,"a__b":2}}`},
		{`{"_id":"a","_source":{"b":1},"_index":"x","_type":"t","_routing":"r","_version":3,"_seq_no":1,"_primary_term":1,"_field_names":"f","_ignored":"i","_doc_count":0,"_tier":"t","_nested_path":"n","_size":1,"_foo4":2,"o4":{"_id":1}}`,
			`{"parsed__id":"a","parsed__source":{"b":1},"parsed__index":"x","parsed__type":"t","parsed__routing":"r","parsed__version":3,"parsed__seq_no":1,"parsed__primary_term":1,"parsed__field_names":"f","parsed__ignored":"i","parsed__doc_count":0,"parsed__tier":"t","parsed__nested_path":"n","parsed__size":1,"_foo4":2,"o4":{"_id":1}}`},
		{`{"n5":9223372036854775808,"m5":1e400,"f5":1e39,"g5":3.4e38,"o5":[-1e39]}`, `{"n5":"9223372036854775808","m5":"1e400","f5":"1e39","g5":3.4e38,"o5":["-1e39"]}`},
		{"{\"u6\":\"\xff\",\"\xfe6\":\"\xff\\n\",\"o6\":{\"\xff\":\"\xed\xa0\x80\"}}", "{\"u6\":\"\uFFFD\",\"\uFFFD6\":\"\uFFFD\\n\",\"o6\":{\"\uFFFD\":\"\uFFFD\uFFFD\uFFFD\"}}"},
		{deep("d7", 19), deep("d7", 19)},
		{deep("d8", 20), `{"parse_error":true}`},
		{`{"` + strings.Repeat("d9.", 19) + `k":1}`, `{"` + strings.Repeat("d9.", 19) + `k":1}`},
		{`{"log.level":"x","kubernetes":"k","time":"never","stream":1,"log_file":2,"@timestamp":"soon","split":"s","parse_error":"p"}`,
			`{"parsed_log.level":"x","parsed_kubernetes":"k","parsed_time":"never","parsed_stream":1,"parsed_log_file":2,"parsed_@timestamp":"soon","parsed_split":"s","parsed_parse_error":"p"}`},
		{`{"e11":"x","e11.code":5,"h11":{"b":1},"h11.c":2,"s11.t":1}`, `{"e11":"x","e11_code":5,"h11":{"b":1},"h11.c":2,"s11.t":1}`},
		{`{"s12":"\u0000","한12":"글","null12":null,"empty12":{},"list12":[]}`, `{"s12":"\u0000","한12":"글","null12":null,"empty12":{},"list12":[]}`},
		{`{"` + strings.Repeat("k", 512) + `":1}`, `{"` + strings.Repeat("k", 512) + `":1}`},
		{`{"nan":NaN}`, `{"parse_error":true}`},
		{canary, `{"parse_error":true}`},
	}
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		for _, c := range cases {
			s.write("app.log", c.line+"\n")
		}
		s.once("--format=json", "--add=env=prod")
		all := s.documents()
		if len(all) != len(cases) {
			t.Fatalf("%d documents, want %d:\n%q", len(all), len(cases), s.logs())
		}
		for i, c := range cases {
			got := all[i].Source
			for _, key := range []string{"@timestamp", "log", "stream", "time", "log_file", "kubernetes"} {
				delete(got, key)
			}
			var want object
			must(t, json.Unmarshal([]byte(c.want), &want))
			want["env"] = "prod"
			if quote(got) != quote(want) {
				t.Errorf("%.200s\n got %.300s\nwant %.300s", c.line, quote(got), quote(want))
			}
		}
	})
}

// A record's own time tells its index; its fields are found by their types.
func TestParsedAccessLog(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *backend.Node) {
		s := ship(t, n)
		s.write("access.log", `10.1.2.3 - frank [31/Dec/2017:23:59:59 -0700] "GET /a HTTP/1.0" 404 2326`+"\n"+
			`10.1.2.3 - - [01/Jan/2018:00:00:00 +0900] "GET /b HTTP/1.0" 200 -`+"\n"+`password=`+canaryPassword+"\n")
		s.once("--format=apache2", `--redact=password=(?P<secret>\S+)`)
		all := s.documents()
		if len(all) != 3 {
			t.Fatalf("%d documents, want 3", len(all))
		}
		for i, want := range []struct{ index, stamp, log string }{
			{"2018.01.01", "2018-01-01T06:59:59.000Z", ""}, {"2017.12.31", "2017-12-31T15:00:00.000Z", ""}, {"", "", "password=[redacted]"},
		} {
			d := all[i]
			if !strings.HasSuffix(d.Index, want.index) || want.stamp != "" && d.Source["@timestamp"] != want.stamp || want.log != "" && d.log() != want.log {
				t.Errorf("document %d is in %s: %s", i, d.Index, quote(d.Source))
			}
		}
		if code := all[0].Source["code"]; code != 404.0 {
			t.Errorf("the code is %T %v", code, code)
		}
	})
}
