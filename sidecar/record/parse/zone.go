package parse

import (
	"errors"
	"time"
	_ "time/tzdata" // the image has no /usr/share/zoneinfo; costs 0.4 MB of the program's size and no memory until it is read
)

// parseZone reads a name of the IANA database or an offset from UTC; nil: none
// was given. Its error is a reason, to be put after the value.
func parseZone(s string) (*time.Location, error) {
	if s == "" {
		return nil, nil
	}
	if offset, n := readOffset([]byte(s)); n == len(s) {
		return time.FixedZone(s, offset), nil
	}
	zone, err := time.LoadLocation(s)
	if err != nil || s == "Local" {
		return nil, errors.New("no time zone has this name: use one of the IANA database such as Asia/Seoul or Europe/Berlin, UTC, or an offset such as +09:00")
	}
	return zone, nil
}
