package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// Line is one line of a dialogue, or something else that happened to it.
type Line struct {
	At time.Duration // since the dialogue began, on its own clock
	// By is who did it, as in scripts: "C" the client, "S" the server, "F" the machine,
	// "TLS" a handshake, "X" the connection, "T" the clock; "" is a remark.
	By   string
	TLS  bool   // inside TLS
	Open bool   // octets of C or S that do not end in CRLF
	Text string // without its CRLF; octets are written as [smtpt.Escape] does
}

// lineMost bounds how many octets of a line are shown.
const lineMost = 200

// AppendWire appends what one side has sent, a Line for each line of it.
func AppendWire(lines []Line, at time.Duration, by string, tls bool, octets []byte) []Line {
	for line := range bytes.Lines(octets) {
		text, whole := bytes.CutSuffix(line, []byte("\r\n"))
		l := Line{At: at, By: by, TLS: tls, Open: !whole, Text: smtpt.Escape(text[:min(len(text), lineMost)], false)}
		if len(text) > lineMost {
			l.Text += fmt.Sprintf("… (%d octets)", len(line))
		}
		lines = append(lines, l)
	}
	return lines
}

// String writes the line as reports for people do: "0:02.000  C*: EHLO x" is inside TLS,
// "C| EH" does not end in CRLF.
func (l Line) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%8s  %s", clock(l.At), l.By)
	if l.TLS {
		b.WriteString("*")
	}
	switch {
	case l.Open:
		b.WriteString("| ")
	case l.By != "":
		b.WriteString(": ")
	}
	return b.String() + l.Text
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d.%03d", int(d.Minutes()), int(d.Seconds())%60, d.Milliseconds()%1000)
}
