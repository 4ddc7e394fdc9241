package command

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal says whether a writer is one, and how to ask for its width.
func terminal(w io.Writer) (is bool, width func() int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, nil
	}
	return true, func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return columns
	}
}

// indent puts two spaces before each line.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}
