// Package stdout writes records to the program's standard output, where
// `kubectl logs` and the node's collector find them.
//
// Raw records without rules need no look inside: where the output is a pipe, as it is in a
// container, their bytes go from the page cache to the pipe inside the kernel.
// Every record ends with a newline, so that lines of different files, and the
// unfinished last lines of some, never mix.
package stdout

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"logging.taco/sidecar/config"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record"
	"logging.taco/sidecar/record/parse"
	"logging.taco/sidecar/sink"
)

// writeSize is what encoded records are written at, in bytes.
const writeSize = 64 << 10

var newline = []byte{'\n'}

// Source is how the ranges of one source are written.
type Source struct {
	Emit    config.Emit
	Framing *record.Framing
	Rules   *parse.Rules // nil: the text is not looked into
}

// Sink writes to one descriptor.
type Sink struct {
	fd      int
	sources []Source
	now     func() time.Time

	pipe    *spliced // nil: the output is no pipe, or the kernel will not splice
	in      []byte   // a range's bytes
	reading parse.Reading
	out     []byte // encoded records

	stats stats
}

// stats are totals that any goroutine may read.
type stats struct {
	spliced, copied, encoded atomic.Int64 // bytes of ranges, by the way they went
	blocked                  blocked
}

// New makes a Sink that writes to fd; sources has one entry a source.
func New(fd int, sources []Source) *Sink {
	return &Sink{fd: fd, sources: sources, now: time.Now, pipe: newSpliced(fd)}
}

// Metrics implements sink.Sink.
func (s *Sink) Metrics() []sink.Metric {
	return []sink.Metric{
		{Name: "taco_stdout_bytes_total", Kind: "counter", Help: "Bytes written to stdout, by the way they took.", Samples: []sink.Sample{
			{Label: "way", Of: "splice", Value: s.stats.spliced.Load()},
			{Label: "way", Of: "copy", Value: s.stats.copied.Load()},
			{Label: "way", Of: "encode", Value: s.stats.encoded.Load()},
		}},
		sink.Single("taco_stdout_blocked_seconds_total", "counter", "Time spent waiting for the reader of stdout.", s.stats.blocked.total().Seconds()),
	}
}

// Limits implements sink.Sink: what is there goes out at once.
func (s *Sink) Limits() sink.Limits { return sink.Limits{} }

// Deliver implements sink.Sink.
func (s *Sink) Deliver(batch []follow.Range) error {
	for i := range batch {
		r := &batch[i]
		err := s.deliver(r)
		if r.Stale = errors.Is(err, sink.ErrStale); err != nil && !r.Stale {
			return fmt.Errorf("deliver %s from offset %d: %w", r.Path, r.Offset, err)
		}
	}
	return nil
}

func (s *Sink) deliver(r *follow.Range) error {
	src := &s.sources[r.Source]
	unchanged := src.Emit == config.EmitRaw && src.Rules == nil
	if unchanged && src.Framing.Charset == nil {
		return s.raw(r)
	}
	if err := s.load(r); err != nil {
		return err
	}
	s.stats.encoded.Add(r.Length)
	if unchanged {
		s.out = src.Framing.Text(s.out[:0], s.in, r.Offset)
		r.Records = src.Framing.Count(s.out)
		if r.End != follow.EndRecord {
			s.out = append(s.out, '\n')
		}
		return s.write(s.out)
	}
	encode := prefixed("")
	switch src.Emit {
	case config.EmitPrefix:
		encode = prefixed(printable(r.Path) + ": ")
	case config.EmitJSON:
		encode = object(r, s.now())
	}
	return s.each(r, src, encode)
}

// each encodes and writes the records of the range that is loaded, some at a
// time: the output may be many times as long as the input.
func (s *Sink) each(r *follow.Range, src *Source, encode encoder) (err error) {
	s.out = s.out[:0]
	rec := &s.reading
	if src.Rules == nil {
		src.Rules.Read(nil, rec) // forgets what another source's rules have found
	}
	src.Framing.Each(s.in, r.Offset, func(text []byte, index int, first, last bool) {
		if err != nil {
			return
		}
		r.Records++
		split := first && r.Mid || last && r.End == follow.EndSplit
		switch {
		case src.Rules == nil:
			rec.Text = text
		case split:
			src.Rules.ReadPart(text, rec)
		default:
			src.Rules.Read(text, rec)
		}
		if rec.Dropped {
			return
		}
		s.out = encode(s.out, rec, index, split)
		if len(s.out) >= writeSize {
			err = s.write(s.out)
			s.out = s.out[:0]
		}
	})
	if err != nil {
		return err
	}
	return s.write(s.out)
}

// raw writes the bytes as they are.
func (s *Sink) raw(r *follow.Range) error {
	if s.pipe != nil && r.FD() >= 0 && !r.Suspect {
		done, err := s.pipe.move(r, &s.stats)
		if err == errTorn {
			if err = s.write(newline); err == nil {
				err = sink.ErrStale
			}
		}
		if done && err == nil && r.End != follow.EndRecord {
			err = s.write(newline)
		}
		if done || err != nil {
			return err
		}
		s.pipe.close()
		s.pipe = nil // this kernel or file system cannot; nothing was written
	}
	if err := s.load(r); err != nil {
		return err
	}
	if r.End != follow.EndRecord {
		s.in = append(s.in, '\n')
	}
	s.stats.copied.Add(r.Length)
	return s.write(s.in)
}

// load reads the range's bytes into the buffer.
func (s *Sink) load(r *follow.Range) error {
	n := int(r.Length)
	if cap(s.in) < n+1 {
		s.in = make([]byte, n, max(n+1, 64<<10))
	}
	s.in = s.in[:n]
	intact, err := r.Read(s.in)
	if err != nil {
		return fmt.Errorf("%w: %w", sink.ErrStale, err)
	}
	if !intact {
		return sink.ErrStale
	}
	return nil
}

// write writes all of b, however slow the reader.
func (s *Sink) write(b []byte) error {
	s.stats.blocked.begin(moment)
	defer s.stats.blocked.end()
	for len(b) > 0 {
		n, err := unix.Write(s.fd, b)
		switch err {
		case nil:
			b = b[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			if err := waitWritable(s.fd); err != nil {
				return err
			}
		default:
			return outputError(err)
		}
	}
	return nil
}

func waitWritable(fd int) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return outputError(err)
		}
	}
}

func outputError(err error) error {
	if err == unix.EPIPE {
		return fmt.Errorf("write to stdout: %w: its reader is gone", err)
	}
	return fmt.Errorf("write to stdout: %w", err)
}
