package annotation

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// parseBool takes the two spellings that YAML users expect and no other, so
// that "no" or "0" cannot be taken for its opposite.
func parseBool(value string) (on bool, fault string) {
	return value == "true", oneOf(value, "true", "false")
}

func oneOf(value string, allowed ...string) (fault string) {
	if slices.Contains(allowed, value) {
		return ""
	}
	if len(allowed) == 1 {
		return "use " + allowed[0]
	}
	last := len(allowed) - 1
	return "use " + strings.Join(allowed[:last], ", ") + " or " + allowed[last]
}

// quantity is what may go to ParseQuantity, which works for minutes on a number
// such as 1e-99999999.
var quantity = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{0,9})?(m|[kMGTPE]|[KMGTPE]i|[eE][0-9]{1,2})?$`)

// ParseQuantity takes a positive quantity; its error is a reason, to be put after
// the value.
func ParseQuantity(value, example string) (*resource.Quantity, error) {
	fault := fmt.Errorf("not a positive quantity such as %s", example)
	if !quantity.MatchString(value) {
		return nil, fault
	}
	q, err := resource.ParseQuantity(value)
	if err != nil || q.Sign() <= 0 {
		return nil, fault
	}
	return &q, nil
}

func parseQuantity(value, example string) (*resource.Quantity, string) {
	q, err := ParseQuantity(value, example)
	if err != nil {
		return nil, err.Error()
	}
	return q, ""
}

// LeastMemory is what a container needs to start at all, LeastSize what one file
// needs. Less is a slip: 32m, which are thousandths, for 32Mi.
var (
	LeastMemory = resource.MustParse("4Mi")
	LeastSize   = resource.MustParse("4Ki")
)

// parseBytes takes a quantity of bytes.
func parseBytes(value, example string, least resource.Quantity) (*resource.Quantity, string) {
	q, fault := parseQuantity(value, example)
	if fault == "" && q.Cmp(least) < 0 {
		return nil, TooFewBytes(least, example)
	}
	return q, fault
}

// TooFewBytes is the reason why a quantity of bytes is refused.
func TooFewBytes(least resource.Quantity, example string) string {
	return fmt.Sprintf("less than %v, which is too little; with a unit it is, for example, %s", &least, example)
}

// parseName takes the name of something in the profile.
func parseName(value string) (string, string) {
	if faults := validation.IsDNS1123Label(value); len(faults) > 0 {
		return "", "not a name: lower case letters, digits and -, at most 63, beginning and ending with a letter or digit"
	}
	return value, ""
}

func parseUser(value string) (*int64, string) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 || strconv.FormatInt(n, 10) != value {
		return nil, fmt.Sprintf("not a numeric user id from 0 to %d", math.MaxInt32)
	}
	return &n, ""
}

// leastPort is the first that every user may listen on.
const leastPort = 1024

// ParsePort takes a port that every user may listen on, or 0; its error is a
// reason, to be put after the value.
func ParsePort(value string) (*int32, error) {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n != 0 && (n < leastPort || n > math.MaxUint16) || strconv.FormatInt(n, 10) != value {
		return nil, fmt.Errorf("not a port from %d to %d, nor 0 for none", leastPort, math.MaxUint16)
	}
	port := int32(n)
	return &port, nil
}

// reference is a registry's and repository's name with a tag, a digest or both.
var reference = regexp.MustCompile(`^[a-z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)

// CheckImage tells whether this can be an image; its error is a reason, to be put
// after the value.
func CheckImage(value string) error {
	if len(value) > 512 || !reference.MatchString(value) {
		return errors.New("not an image reference such as registry/repository:tag")
	}
	return nil
}

func parseImage(value string) (string, string) {
	if err := CheckImage(value); err != nil {
		return "", err.Error()
	}
	return value, ""
}
