package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Store is the profile in a file that may change, such as a mounted ConfigMap's.
// One that cannot be used is logged, and the last good one stays in use.
type Store struct {
	file  string
	with  func(*Profile)
	log   *slog.Logger
	state atomic.Pointer[state]

	mu   sync.Mutex // of Look
	seen []byte     // what the last look has seen, good or not
	err  string     // of the last look
}

type state struct {
	profile Profile
	since   time.Time // when it was loaded
	good    bool      // the file is what is in use
}

// lookEvery is how often the file is looked at. The kubelet takes up to a minute
// to bring a changed ConfigMap.
const lookEvery = 5 * time.Second

// Open loads the profile; an empty name is the default profile for good. The file
// may be missing in a folder that is there, as an optional ConfigMap's is: then
// too it is the default one. With puts in what is not the file's to say.
func Open(file string, with func(*Profile), log *slog.Logger) (*Store, error) {
	s := &Store{file: file, with: with, log: log}
	p := Default()
	if file != "" {
		var err error
		if p, s.seen, err = s.load(); err != nil {
			return nil, err
		}
		log.Info("profile loaded", "file", file, "default", s.seen == nil)
	}
	s.use(p)
	return s, nil
}

// Profile is the one in use.
func (s *Store) Profile() Profile { return s.state.Load().profile }

// Status tells whether the profile in use is the file's, and since when it is in use.
func (s *Store) Status() (good bool, since time.Time) {
	st := s.state.Load()
	return st.good, st.since
}

// Run follows the file until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	if s.file == "" {
		<-ctx.Done()
		return nil
	}
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			s.Look()
		}
	}
}

// Look takes the file up if it has changed.
func (s *Store) Look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, seen, err := s.load()
	if err != nil {
		if err.Error() != s.err {
			s.log.Error("the changed profile cannot be used; the last good one stays in use, until it is corrected or the injector restarts", "err", err)
		}
		s.err = err.Error()
		st := *s.state.Load()
		st.good = false
		s.state.Store(&st)
		return
	}
	if s.err == "" && bytes.Equal(seen, s.seen) && (seen == nil) == (s.seen == nil) {
		return
	}
	s.seen, s.err = seen, ""
	if seen == nil {
		s.log.Warn("the profile is gone, so the default one is in use", "file", s.file)
	} else {
		s.log.Info("profile reloaded", "file", s.file)
	}
	s.use(p)
}

func (s *Store) use(p Profile) {
	s.with(&p)
	s.state.Store(&state{p, time.Now(), true})
}

// load reads the file; seen is nil where there is none.
func (s *Store) load() (p Profile, seen []byte, err error) {
	seen, err = os.ReadFile(s.file)
	if _, folder := os.Stat(filepath.Dir(s.file)); errors.Is(err, fs.ErrNotExist) && folder == nil {
		return Default(), nil, nil
	}
	if err != nil {
		return p, nil, fmt.Errorf("read the profile: %w", err)
	}
	if seen == nil {
		seen = []byte{}
	}
	p, err = Decode(s.file, seen)
	return p, seen, err
}
