package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"logging.taco/sidecar/checkpoint"
)

// op is a step of a random history of one log file.
type op int

const (
	writeLine op = iota
	writeMany
	writeHalf
	rotate
	copytruncate
	remove
	pause
	freeze // stop the agent's threads until the next wait
	restart
	kill
	down // stop the agent until the next restart
	ops
)

func (o op) String() string {
	return [...]string{"line", "many", "half", "rotate", "copytruncate", "remove", "pause", "freeze", "restart", "kill", "down"}[o]
}

// TestProperty runs random histories: what was written is what is delivered,
// in the order of each generation; only a kill may repeat something.
// $TACO_TORTURE, a duration, runs for so long; $TACO_SEED runs one history.
func TestProperty(t *testing.T) {
	runs, until := 12, time.Time{}
	if testing.Short() {
		runs = 3
	}
	if s := os.Getenv("TACO_TORTURE"); s != "" {
		d, err := time.ParseDuration(s)
		must(t, err)
		runs, until = 1<<30, time.Now().Add(d)
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TACO_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		must(t, err)
		seed, runs = n, 1
	}
	for i := range runs {
		if !until.IsZero() && time.Now().After(until) {
			t.Logf("%d histories", i)
			break
		}
		rnd := rand.New(rand.NewPCG(seed+uint64(i), 0))
		history := make([]op, 20+rnd.IntN(40))
		for j := range history {
			history[j] = op(rnd.IntN(int(ops)))
		}
		glob := rnd.IntN(2) == 0
		if fault := play(t, history, glob); fault != "" {
			small, smallFault := shrink(t, history, glob, fault)
			t.Fatalf("TACO_SEED=%d, glob %v: %s\nhistory %v\nshrunk to %v: %s", seed+uint64(i), glob, fault, history, small, smallFault)
		}
	}
}

// TestHistories plays what random histories were shrunk to when they found a fault.
func TestHistories(t *testing.T) {
	for _, history := range [][]op{
		{writeMany, freeze, copytruncate, rotate}, // the original is renamed before its truncation is noticed
	} {
		if fault := play(t, history, true); fault != "" {
			t.Errorf("%v: %s", history, fault)
		}
	}
}

// shrink leaves out steps as long as some fault stays, for a limited number of tries.
func shrink(t *testing.T, history []op, glob bool, fault string) ([]op, string) {
	tries := 40
	for size := len(history) / 2; size > 0; size /= 2 {
		for from := 0; from+size <= len(history) && tries > 0; {
			tries--
			less := append(append([]op(nil), history[:from]...), history[from+size:]...)
			if f := play(t, less, glob); f != "" {
				history, fault = less, f
			} else {
				from += size
			}
		}
	}
	return history, fault
}

// patience is how long what was written may take to come.
const patience = 5 * time.Second

// player is the model: every write is a token <n>, and each generation knows its tokens.
type player struct {
	t     *testing.T
	dir   string
	name  string
	args  []string
	l     *log
	a     *agent // nil: down
	ice   bool   // a is frozen
	next  int    // token
	gens  [][]int
	files int
	out   string // of the agents before a
	kills int
	said  string // on stderr
	// settled: all was delivered when the agent went down, and the file is the same since
	settled bool
}

var tokens = regexp.MustCompile(`<(\d+)>`)

func play(t *testing.T, history []op, glob bool) (fault string) {
	dir, err := os.MkdirTemp("", "taco-property-")
	must(t, err)
	defer os.RemoveAll(dir)
	p := &player{t: t, dir: dir, name: filepath.Join(dir, "a.log"), gens: [][]int{nil}}
	pattern := p.name
	if glob {
		pattern += "*"
	}
	p.args = []string{"--state", filepath.Join(dir, "state"), "--flush-timeout=50ms", pattern}
	p.l = create(t, p.name)
	p.start()
	// What no checkpoint knows, and is renamed out of the pattern while no agent
	// runs, no agent can know of.
	eventually(t, "the first checkpoint", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "state", checkpoint.Name))
		if err != nil {
			return false
		}
		known, err := checkpoint.Decode(b)
		return err == nil && len(known) == 1
	})
	for _, o := range history {
		p.step(o)
	}
	p.thaw()
	if p.a == nil {
		p.start()
	}
	if !p.await(p.missing) {
		fault = fmt.Sprintf("tokens %v never came", p.missing())
	}
	p.out += p.a.stop()
	p.said += p.a.said()
	if fault != "" {
		fault += "\n" + p.said
	}
	if fault == "" {
		fault = p.judge()
	}
	return fault
}

func (p *player) start() {
	p.a = streamWith(p.t, []option{silent}, p.args...)
}

func (p *player) thaw() {
	if p.ice {
		p.a.thaw()
		p.ice = false
	}
}

// await waits until missing finds nothing, or gives up after a while.
func (p *player) await(missing func() []int) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if len(missing()) == 0 {
			return true
		}
	}
	return false
}

func (p *player) delivered() map[int]int {
	times := map[int]int{}
	all := p.out
	if p.a != nil {
		all += p.a.output()
	}
	for _, m := range tokens.FindAllStringSubmatch(all, -1) {
		n, _ := strconv.Atoi(m[1])
		times[n]++
	}
	return times
}

func (p *player) missing() (all []int) {
	times := p.delivered()
	for n := range p.next {
		if times[n] == 0 {
			all = append(all, n)
		}
	}
	return all
}

func (p *player) write(end string) {
	p.l.write(fmt.Sprintf("<%d>%s", p.next, end))
	p.gens[len(p.gens)-1] = append(p.gens[len(p.gens)-1], p.next)
	p.next++
}

func (p *player) moved(to string) {
	p.l.rotate(to)
	p.gens = append(p.gens, nil)
	p.settled = false
}

func (p *player) step(o op) {
	switch o {
	case writeLine:
		p.write("\n")
	case writeMany:
		for range 200 {
			p.write("\n")
		}
	case writeHalf:
		p.write("")
	case rotate:
		p.files++
		p.moved(fmt.Sprintf("%s.%d", p.name, p.files))
	case copytruncate:
		// A copy is known by what was delivered: there has to be something.
		if gen := p.gens[len(p.gens)-1]; len(gen) == 0 || p.a == nil && !p.settled ||
			p.a != nil && !p.ice && !p.await(func() []int { return p.missingOf(gen[:1]) }) ||
			(p.a == nil || p.ice) && len(p.missingOf(gen[:1])) > 0 || p.ice && p.unknown(gen) {
			return
		}
		p.files++
		p.l.copytruncate(fmt.Sprintf("%s.%d", p.name, p.files))
		p.gens = append(p.gens, nil)
		p.settled = false
		if p.a != nil && !p.ice {
			p.write("\n")
			p.await(p.missing)
		}
	case remove:
		if p.a == nil {
			return
		}
		p.thaw()
		eventually(p.t, "the file is open", func() bool { return opened(p.a, p.name) })
		must(p.t, os.Remove(p.name))
		p.l.f.Close()
		p.l.f = create(p.t, p.name).f
		p.await(p.missing)
		p.gens = append(p.gens, nil)
	case pause:
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	case freeze:
		if p.a != nil && !p.ice {
			p.a.freeze()
			p.ice = true
		}
	case restart, down:
		if p.a != nil {
			p.thaw()
			p.out += p.a.stop()
			p.said += p.a.said()
			p.a = nil
			p.settled = true
		}
		if o == restart {
			p.start()
		}
	case kill:
		if p.a != nil {
			p.settled = len(p.missing()) == 0 && !p.ice
			p.ice = false
			p.out += p.a.kill()
			p.kills++
			p.a = nil
			p.start()
		}
	}
}

// unknown tells whether the agent may not know how the file begins that gen is
// in: it has delivered nothing of it, and the one before may have been killed
// before it could note what it had delivered.
func (p *player) unknown(gen []int) bool {
	if len(p.missingOf(gen)) == 0 {
		return false
	}
	for _, m := range tokens.FindAllStringSubmatch(p.a.output(), -1) {
		if n, _ := strconv.Atoi(m[1]); n >= gen[0] {
			return false
		}
	}
	return true
}

func (p *player) missingOf(gen []int) (all []int) {
	times := p.delivered()
	for _, n := range gen {
		if times[n] == 0 {
			all = append(all, n)
		}
	}
	return all
}

func (p *player) judge() string {
	gen := make([]int, p.next)
	for i, g := range p.gens {
		for _, n := range g {
			gen[n] = i
		}
	}
	last := make([]int, len(p.gens))
	for i := range last {
		last[i] = -1
	}
	seen := map[int]bool{}
	for _, m := range tokens.FindAllStringSubmatch(p.out, -1) {
		n, _ := strconv.Atoi(m[1])
		if n >= p.next {
			return fmt.Sprintf("token %d was never written", n)
		}
		if seen[n] {
			if p.kills == 0 {
				return fmt.Sprintf("token %d came twice, and nothing was killed", n)
			}
			continue
		}
		seen[n] = true
		if n < last[gen[n]] {
			return fmt.Sprintf("token %d came after %d of the same file", n, last[gen[n]])
		}
		last[gen[n]] = n
	}
	if rest := tokens.ReplaceAllString(p.out, ""); p.kills == 0 && strings.Trim(rest, "\n") != "" {
		return fmt.Sprintf("bytes that nobody wrote: %q", clip(strings.Trim(rest, "\n")))
	}
	return ""
}
