// Package elastic ships records to Elasticsearch and OpenSearch by the bulk
// API, each as one document, in the schema of the cluster's node agent
// (fluent-bit → fluentd), so that one search finds both.
//
// Nothing is buffered but the one batch that is under way: the files are the
// buffer. Deliver comes back when every record has its final outcome, which is
// stored, there already (its id is), or written to the dead letter file since
// the backend will never take it. For anything else it waits and tries again,
// for as long as it takes: a backend that is down, full, forbidden or
// misconfigured loses nothing, and is said on stderr and in the metrics.
//
// Ids are made of the pod, the file's generation and the offset, so that what
// is sent twice is stored once; see document.go.
package elastic

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"logging.taco/sidecar/config"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/record/parse"
	"logging.taco/sidecar/sink"
)

// Source is how the records of one source are read.
type Source struct {
	Container string // that writes the files; "": not known
	Framing   *record.Framing
	Rules     *parse.Rules // nil: the text is not looked into
}

// Pod is what the documents say of the pod; *pod.Pod says what the methods do.
type Pod interface {
	Present() bool
	Name() string
	Namespace() string
	Node() string
	Refresh(now time.Time) (changed bool)
	AppendJSON(out []byte, container string) []byte
}

// Options of a Sink; Stopping, Now and Log may be nil.
type Options struct {
	Output  config.Output // as config.Output's validation left it
	Sources []Source
	Pod     Pod
	// Identity tells this pod (or machine) from all others that write to the same indices.
	Identity string
	// DeadLetter is the file of records that are never taken; "": they are counted and said only.
	DeadLetter string
	Getenv     func(string) string
	UserAgent  string
	// Stopping ends when the program is to stop: pauses between attempts get short.
	Stopping <-chan struct{}
	Now      func() time.Time
	Log      *slog.Logger
}

// Sink ships to one backend.
type Sink struct {
	opt     Options
	index   *indexPattern
	client  *client
	letters *deadLetter
	pace    *pace
	full    int // bytes at which a bulk goes out

	in      []byte // a range's bytes
	reading parse.Reading
	enc     encoder
	same    []constants // by source: what all its documents have

	// free has the bulks that are not under way: as many as may be in flight.
	free chan *bulk
	busy sync.WaitGroup

	template template
	stats    stats

	refusals struct {
		sync.Mutex
		said, saidBare time.Time
	}
}

// New makes a Sink. It opens no connection; an error is one of the options.
func New(o Options) (*Sink, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	index, err := parseIndex(o.Output.Index)
	if err != nil {
		return nil, err
	}
	s := &Sink{opt: o, index: index, full: int(o.Output.BatchSize), letters: newDeadLetter(o.DeadLetter, int64(o.Output.DeadLetterSize))}
	s.client, err = newClient(o.Output, o.Getenv, o.UserAgent, o.Log)
	if err != nil {
		return nil, err
	}
	s.pace = newPace(int(o.Output.BatchSize), o.Stopping, func() int { return s.client.version() }, o.Log, &s.stats)
	s.free = make(chan *bulk, o.Output.InFlight)
	for range o.Output.InFlight {
		s.free <- &bulk{sink: s, body: make([]byte, 0, s.full+slack)}
	}
	s.same = make([]constants, len(o.Sources))
	s.describe()
	return s, nil
}

// slack is room for the record by which a bulk comes to be full.
const slack = 32 << 10

// Limits implements sink.Sink.
func (s *Sink) Limits() sink.Limits {
	return sink.Limits{
		Bytes: int64(s.opt.Output.BatchSize) * int64(s.opt.Output.InFlight),
		Every: time.Duration(s.opt.Output.BatchWait),
	}
}

// Deliver implements sink.Sink; it returns no error.
func (s *Sink) Deliver(batch []follow.Range) error {
	if s.opt.Pod.Refresh(s.opt.Now()) {
		s.describe()
	}
	b := <-s.free
	for i := range batch {
		r := &batch[i]
		if r.Stale = !s.load(r); r.Stale {
			continue
		}
		b = s.encode(b, r)
	}
	b.flush(0)
	s.free <- b
	s.busy.Wait()
	return nil
}

// load reads the range's bytes into the buffer. False: they are gone.
func (s *Sink) load(r *follow.Range) bool {
	n := int(r.Length)
	if cap(s.in) < n {
		s.in = make([]byte, n)
	}
	s.in = s.in[:n]
	intact, err := r.Read(s.in)
	return intact && err == nil
}

// encode appends the range's records to a bulk, and sends bulks that are full.
// It returns the bulk to go on with.
func (s *Sink) encode(b *bulk, r *follow.Range) *bulk {
	src := &s.opt.Sources[r.Source]
	e := s.encoder(r)
	src.Framing.Each(s.in, r.Offset, func(text []byte, index int, first, last bool) {
		goesOn := last && r.End == follow.EndSplit
		r.Records++
		if e.append(b, text, r.Offset+int64(index), goesOn || first && r.Mid, goesOn) && len(b.body) >= s.full {
			b = s.send(b)
		}
	})
	return b
}

// send sends a full bulk: at once, or beside the encoding of the next one.
func (s *Sink) send(b *bulk) *bulk {
	if cap(s.free) == 1 {
		b.flush(s.full)
		return b
	}
	s.busy.Add(1)
	go func() {
		defer s.busy.Done()
		b.flush(0)
		s.free <- b
	}()
	return <-s.free
}

// describe writes what the documents of each source have in common.
func (s *Sink) describe() {
	for i, src := range s.opt.Sources {
		s.same[i].tail = s.same[i].tail[:0]
		if s.opt.Pod.Present() {
			s.same[i].tail = append(s.same[i].tail, `,"kubernetes":`...)
			s.same[i].tail = s.opt.Pod.AppendJSON(s.same[i].tail, src.Container)
		}
	}
}

// String tells where records go.
func (s *Sink) String() string {
	return fmt.Sprintf("%v, index %s", s.opt.Output.To, s.opt.Output.Index)
}
