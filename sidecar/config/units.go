package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Duration is a time.Duration that YAML and flags write as Go does: 500ms, 25s, 1m30s.
type Duration time.Duration

// ParseDuration reads Go's notation; a bare number (but 0) and a negative span are errors.
func ParseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration such as 500ms, 25s or 2m", s)
	}
	return Duration(d), nil
}

func (d Duration) String() string { return time.Duration(d).String() }

// Set makes Duration a flag.Value.
func (d *Duration) Set(s string) (err error) {
	*d, err = ParseDuration(s)
	return err
}

func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

func (d *Duration) UnmarshalYAML(n *yaml.Node) error { return atLine(n, d.Set(n.Value)) }

// Size is a number of bytes, written as 512, 64KiB, 1MiB or 2GiB (also 64K, 64Ki, 64KB: always powers of 1024).
type Size int64

var sizeUnits = []struct {
	letter string
	bytes  int64
}{{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}}

// ParseSize reads a Size; fractions and signs are errors.
func ParseSize(s string) (Size, error) {
	number := strings.ToLower(strings.TrimSpace(s))
	number = strings.TrimSuffix(strings.TrimSuffix(number, "b"), "i")
	unit := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.letter); ok {
			number, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 63)
	if err != nil || int64(n) > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a size such as 512, 64KiB or 1MiB", s)
	}
	return Size(int64(n) * unit), nil
}

func (z Size) String() string {
	for _, u := range sizeUnits {
		if z != 0 && int64(z)%u.bytes == 0 {
			return strconv.FormatInt(int64(z)/u.bytes, 10) + strings.ToUpper(u.letter) + "iB"
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

// Set makes Size a flag.Value.
func (z *Size) Set(s string) (err error) {
	*z, err = ParseSize(s)
	return err
}

func (z Size) MarshalYAML() (any, error) { return z.String(), nil }

func (z *Size) UnmarshalYAML(n *yaml.Node) error { return atLine(n, z.Set(n.Value)) }

func atLine(n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("line %d: %w", n.Line, err)
}
