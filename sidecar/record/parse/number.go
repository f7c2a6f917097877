package parse

import "strconv"

// scanNumber walks over the number at i (RFC 8259, section 6): where it ends,
// negative if it is none, and whether a backend can hold it. An integer has to
// be a long. Elasticsearch keeps the others as floats and refuses the document
// of one that is beyond them.
func scanNumber(s []byte, i int) (end int, fits bool) {
	from := i
	if i < len(s) && s[i] == '-' {
		i++
	}
	digits := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	n := i - digits
	if n == 0 || n > 1 && s[digits] == '0' {
		return -1, false
	}
	whole, exponent := true, false
	if i < len(s) && s[i] == '.' {
		whole = false
		point := i
		for i++; i < len(s) && isDigit(s[i]); i++ {
		}
		if i == point+1 {
			return -1, false
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		whole, exponent = false, true
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		power := i
		for ; i < len(s) && isDigit(s[i]); i++ {
		}
		if i == power {
			return -1, false
		}
	}
	if n <= 18 && !exponent {
		return i, true
	}
	if whole {
		_, err := strconv.ParseInt(string(s[from:i]), 10, 64)
		return i, err == nil
	}
	_, ok := float(s[from:i])
	return i, ok
}

// float reads what strconv reads, within the range of 32 bits.
func float(s []byte) (float64, bool) {
	if _, err := strconv.ParseFloat(string(s), 32); err != nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(s), 64)
	return f, err == nil
}
