package elastic

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestOutcomesGoByPosition(t *testing.T) {
	const good = `{"create":{"status":201}}`
	for _, c := range []struct {
		name, answer string
		n            int
		want         map[int]int // status by position, but 201
		err          string
	}{
		{"all well", `{"errors":false,"items":[` + good + `,` + good + `]}`, 2, map[int]int{}, ""},
		{"all well, with spaces", `{ "errors": false, "items": [ ` + good + ` ] }`, 1, map[int]int{}, ""},
		{"some well", `{"errors":true,"items":[` + good + `,{"create":{"status":429,"error":{"type":"t","reason":"r"}}},{"index":{"status":409}}]}`, 3, map[int]int{1: 429, 2: 409}, ""},
		{"errors false, but for one", `{"errors":false,"items":[{"create":{"status":500}}]}`, 1, map[int]int{0: 500}, ""},
		{"an error that is a string", `{"items":[{"create":{"status":400,"error":"no"}}]}`, 1, map[int]int{0: 400}, ""},
		{"too few", `{"errors":false,"items":[` + good + `]}`, 2, nil, "1 items for 2"},
		{"too many", `{"errors":false,"items":[` + good + `,` + good + `]}`, 1, nil, "2 items for 1"},
		{"cut short", `{"errors":false,"items":[` + good, 1, nil, "no answer to a bulk"},
		{"HTML", `<html>ok</html>`, 1, nil, "no answer to a bulk"},
		{"empty", ``, 1, nil, "no answer to a bulk"},
		{"another JSON", `{"ok":true}`, 1, nil, "0 items for 1"},
		{"no status", `{"items":[{"create":{}}]}`, 1, nil, "status 0"},
		{"two results", `{"items":[{"create":{"status":201},"index":{"status":201}}]}`, 1, nil, "2 results"},
		{"a list", `[1]`, 1, nil, "no answer to a bulk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[int]int{}
			err := readOutcomes([]byte(c.answer), c.n, func(i int, o outcome) { got[i] = o.status })
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || len(got) > 0 {
					t.Errorf("%v, %v; want an error with %q and no outcome", err, got, c.err)
				}
			} else if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v, %v; want %v", err, got, c.want)
			}
		})
	}
}

func FuzzOutcomes(f *testing.F) {
	f.Add([]byte(`{"errors":true,"items":[{"create":{"status":400,"error":{"type":"t","caused_by":{"type":"c"}}}}]}`), 1)
	f.Fuzz(func(t *testing.T, answer []byte, n int) {
		if n < 0 || n > 1000 {
			return
		}
		if err := readOutcomes(answer, n, func(i int, o outcome) {
			if i < 0 || i >= n {
				t.Fatal("outcome of item", i)
			}
			itemFate(o.status, o.fault)
		}); err == nil && len(answer) < n*len(`{"a":{"status":201}}`) {
			t.Fatal("an answer that is too short for its items was taken")
		}
	})
}

// The rows are what real nodes answer; test/ship has them answer it.
func TestFates(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   string
		reason string
		want   fate
	}{
		{201, "", "", stored},
		{200, "", "", stored}, // a pipeline dropped it
		{409, "version_conflict_engine_exception", "", already},
		{429, "es_rejected_execution_exception", "", later},
		{429, "cluster_block_exception", "", later},
		{503, "unavailable_shards_exception", "", later},
		{500, "fail_processor_exception", "", suspect},
		{500, "some_exception", "", later},
		{403, "cluster_block_exception", "", hold},
		{403, "security_exception", "", hold},
		{404, "index_not_found_exception", "", hold},
		{400, "index_closed_exception", "closed", hold},
		{400, "validation_exception", "this action would add [2] shards", hold},
		{400, "illegal_argument_exception", "no write index is defined for alias [al2]", hold},
		{400, "illegal_argument_exception", "pipeline with id [nope] does not exist", hold},
		{400, "illegal_argument_exception", "mapper [f] cannot be changed from type [long] to [text]", suspect},
		{400, "mapper_parsing_exception", "", refused},
		{400, "strict_dynamic_mapping_exception", "", refused},
		{400, "an_exception_that_nobody_knows", "", suspect},
		{400, "illegal_argument_exception", "object mapping [f] can't be changed from nested to non-nested", refused},
		{400, "", "", suspect},
		{413, "", "", refused},
	} {
		t.Run(fmt.Sprint(c.status, c.kind, c.reason), func(t *testing.T) {
			if got := itemFate(c.status, &fault{Type: c.kind, Reason: c.reason}); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
