package ship

import (
	"strings"
	"testing"

	"logging.taco/test/clock"
)

// TestClock: with a wall clock that jumps by days, each line is stored once, in
// the index of the day that the clock had.
func TestClock(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	s.args = append(s.args, "--credentials="+newSecret(t, map[string]string{"token": canaryPassword}).dir)
	address := freeAddress(t)
	want := padded("a", 1000)
	s.write("a.log", text(want))
	a := launchProgram(t, address, s.env, s.secrets, clock.Jumping(t), append(s.command("--batch-size=8KiB"), "--metrics="+address)...)
	a.untilDocuments(len(want))
	a.stop(0)
	eachOnce(t, texts(t, b), want)
	indices := map[string]bool{}
	for key, d := range b.Documents() {
		indices[d.Index] = true
		if day := strings.ReplaceAll(strings.TrimPrefix(d.Index, "logstash-"), ".", "-"); !strings.Contains(string(d.Source), `"@timestamp":"`+day+`T`) {
			t.Errorf("%s: %s", key, d.Source)
		}
	}
	if len(indices) < 2 {
		t.Errorf("the clock did not jump: %v", indices)
	}
}
