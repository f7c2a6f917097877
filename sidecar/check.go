package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"strings"

	"logging.taco/sidecar/config"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/sink/elastic"
)

// check explains a config; with a sample it shows what becomes of it, and a
// probe asks the backend.
func check(args []string) int {
	sample, ask := "", false
	c, status := configured("check", args, func(fs *flag.FlagSet) {
		fs.StringVar(&sample, "sample", "", "a `LINE` of a log, to show what is made of it; - reads lines from standard input")
		fs.BoolVar(&ask, "probe", false, "ask the backend for its version, our rights and its template; stores no document")
	})
	if status >= 0 {
		return status
	}
	explain(os.Stdout, c)
	if sample != "" {
		if err := showSample(os.Stdout, c, sample); err != nil {
			fmt.Fprintf(os.Stderr, "sidecar check: %v\n", err)
			return exitFailed
		}
	}
	if ask {
		if err := probe(os.Stdout, c); err != nil {
			fmt.Fprintf(os.Stderr, "sidecar check: %v\n", err)
			return exitFailed
		}
	}
	return exitOK
}

// showSample shows what the first source makes of some lines: what would be on
// stdout, or the actions and documents that would be sent.
func showSample(w io.Writer, c config.Config, sample string) error {
	lines := []byte(sample + "\n")
	if sample == "-" {
		var err error
		if lines, err = io.ReadAll(os.Stdin); err != nil {
			return fmt.Errorf("read the sample: %w", err)
		}
	}
	lines = append(bytes.TrimSuffix(lines, []byte{'\n'}), '\n')
	if max := int(c.MaxLine); len(lines) > max {
		return fmt.Errorf("the sample is longer than %v", c.MaxLine)
	}
	readers, err := readersOf(c)
	if err != nil {
		return err
	}
	out, err := output(c, readers, nil, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	r := follow.Range{Path: named(c.Sources[0].Paths[0])}.Carry(lines, follow.Position{Offset: int64(len(lines))})
	fmt.Fprintf(w, "the sample, from %s:\n", r.Path)
	if ships, ok := out.(*elastic.Sink); ok {
		_, err = w.Write(ships.Preview(&r))
		return err
	}
	return out.Deliver([]follow.Range{r})
}

// named is a file's name that a pattern might match.
func named(pattern string) string {
	return path.Clean(strings.NewReplacer("**", "a", "*", "a", "?", "a", "[", "", "]", "").Replace(pattern))
}

// probe asks the backend.
func probe(w io.Writer, c config.Config) error {
	if !c.Ships() {
		return errors.New("--probe asks a backend, and this config has no output")
	}
	fmt.Fprintln(w, "the backend:")
	return elastic.Probe(elasticOptions(c, nil, nil, slog.New(slog.NewTextHandler(os.Stderr, nil))), w)
}
