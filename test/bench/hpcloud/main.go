// Command hpcloud follows one file with github.com/hpcloud/tail and prints its
// lines, as the library's README shows it: a yardstick.
package main

import (
	"fmt"
	"os"

	"github.com/hpcloud/tail"
)

func main() {
	t, err := tail.TailFile(os.Args[1], tail.Config{Follow: true, ReOpen: true, Logger: tail.DiscardingLogger})
	if err != nil {
		fmt.Fprintln(os.Stderr, "hpcloud:", err)
		os.Exit(1)
	}
	for line := range t.Lines {
		fmt.Println(line.Text)
	}
}
