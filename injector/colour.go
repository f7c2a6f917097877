package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// colour is how a terminal shows a text.
type colour string

const (
	bold   colour = "1"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// coloured tells whether what is written to a file is seen by somebody who wants
// colours: it is a terminal, and NO_COLOR (https://no-color.org) is not set.
func coloured(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// paint is the text in a colour, where there are colours.
func paint(on bool, c colour, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}
