package annotation

import (
	"fmt"
	"strings"
)

// Suggest is the reason for an unknown key, with the one of the known that was
// perhaps meant. Keys are compared without their prefix.
func Suggest(key string, known []string) string {
	name := strings.ToLower(strings.TrimPrefix(key, Prefix))
	name = strings.NewReplacer("_", "-", ".", "-").Replace(name)
	best, bestDistance := "", 3 // further away is another word, not a slip
	for _, k := range known {
		short := strings.TrimPrefix(k, Prefix)
		d := distance(name, short)
		if d < bestDistance && d < len(short)-1 {
			best, bestDistance = k, d
		}
	}
	if best == "" || best == key {
		return "not a key of this version of the injector"
	}
	return fmt.Sprintf("not a key; did you mean %s?", best)
}

// distance is the number of letters to add, take out or change to get from a to b.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
