package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// colours of a diff's lines.
var colours = map[string]string{"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m"}

// coloured returns a line in the colour of a kind, where the output is a terminal
// and nobody objects.
func coloured(w io.Writer, kind, line string) string {
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" && isTerminal(f) && colours[kind] != "" {
		return colours[kind] + line + "\x1b[0m"
	}
	return line
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
