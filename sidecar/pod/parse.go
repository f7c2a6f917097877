package pod

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// pair is one label or annotation.
type pair struct{ key, value string }

// maxLine is longer than any line whose value is within maxValue: a key has at
// most 317 bytes, and quoting makes at most four of one.
const maxLine = 8 << 10

// parse reads what the kubelet writes of a map: a line for each key, with = and
// the value as Go quotes it (%q), and no newline after the last. Keys whose value
// is too long come back as omitted. Anything else, such as half a line, is an
// error.
func parse(r io.Reader, unwanted func(key string) bool) (pairs []pair, omitted []string, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		last := errors.Is(err, io.EOF)
		long := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !last && !long {
			return nil, nil, err
		}
		text := strings.TrimSuffix(string(line), "\n")
		if long {
			if last, err = skip(in, text[len(text)-1]); err != nil {
				return nil, nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
		if text == "" && last {
			return pairs, omitted, nil
		}
		key, quoted, found := strings.Cut(text, "=")
		if !found || key == "" || !strings.HasPrefix(quoted, `"`) {
			return nil, nil, fmt.Errorf("line %d: not a key, = and a quoted value", n)
		}
		value := ""
		if !long {
			if value, err = strconv.Unquote(quoted); err != nil {
				return nil, nil, fmt.Errorf("line %d: the value of %.100q is not whole", n, key)
			}
		}
		switch {
		case unwanted != nil && unwanted(key):
		case long || len(value) > maxValue:
			omitted = append(omitted, key)
		default:
			pairs = append(pairs, pair{key, value})
		}
		if last {
			return pairs, omitted, nil
		}
	}
}

// skip reads the rest of a long line, which has to end as a quoted value does;
// end is the last byte before it.
func skip(in *bufio.Reader, end byte) (last bool, err error) {
	for {
		rest, err := in.ReadSlice('\n')
		if content := strings.TrimSuffix(string(rest), "\n"); content != "" {
			end = content[len(content)-1]
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		case end != '"':
			return false, errors.New("a long value is not whole")
		}
		return err != nil, nil
	}
}
