package smtpt

import (
	"bytes"
	"strings"
)

// Format writes the script in canonical form: header, an empty line, the script with
// blocks not indented, one blank between words, then the files.
func (s *Script) Format() []byte {
	var b bytes.Buffer
	for _, h := range s.Header {
		switch {
		case h.Key != "":
			b.WriteString("# " + pad(h.Key) + h.Value + "\n")
		case h.Value == "":
			b.WriteString("#\n")
		default:
			b.WriteString("# " + h.Value + "\n")
		}
	}
	if len(s.Steps) > 0 && (len(s.Header) > 0 || s.Steps[0].Kind == Comment) { // a comment there is no header
		b.WriteString("\n")
	}
	formatSteps(&b, s.Steps)
	for _, f := range s.Files {
		b.WriteString("-- " + f.Name + " --\n")
		b.Write(f.Data)
	}
	return b.Bytes()
}

// pad makes the values of header keys stand in a column.
func pad(key string) string { return key + strings.Repeat(" ", max(1, 8-len(key))) }

func formatSteps(b *bytes.Buffer, steps []Step) {
	for i := range steps {
		formatStep(b, &steps[i])
	}
}

func formatStep(b *bytes.Buffer, s *Step) {
	for _, c := range s.Conds {
		b.WriteString("[" + c + "] ")
	}
	if s.Not {
		b.WriteString("!")
	}
	switch s.Kind {
	case Blank:
	case Comment:
		b.WriteString(strings.TrimRight("# "+s.Text, " "))
	case Call:
		b.WriteString("call " + formatAttrs(s.Attrs))
	case Server:
		b.WriteString("S")
		if len(s.Attrs) > 0 {
			b.WriteString("[" + formatAttrs(s.Attrs) + "]")
		}
		b.WriteString(colon(s))
	case Client:
		b.WriteString("C" + colon(s))
	case Content:
		b.WriteString("C<<")
		if s.Text != "any" {
			b.WriteString(" ")
		}
		b.WriteString(s.Text)
		if s.Text == "lines" {
			for _, l := range s.Lines {
				b.WriteString("\n" + l)
			}
			b.WriteString("\n.")
		}
	case Quiet:
		b.WriteString("C~ " + span(s.Dur.String()))
	case Advance:
		b.WriteString("T: +" + span(s.Dur.String()))
	case Conn:
		b.WriteString("X: " + formatAttrs(s.Attrs))
	case TLS:
		b.WriteString("TLS: " + formatAttrs(s.Attrs))
	case Event:
		b.WriteString("E: " + formatAttrs(s.Attrs))
	case Path:
		b.WriteString("F: " + s.Text)
	case Result:
		b.WriteString("R: " + formatAttrs(s.Attrs))
	case Group:
		b.WriteString("group ")
		if s.Text != "" {
			b.WriteString(s.Text + " ")
		}
		b.WriteString("{\n")
		formatSteps(b, s.Steps)
		b.WriteString("}")
	case Proxy:
		b.WriteString("PROXY: " + formatAttrs(s.Attrs) + " {\n")
		formatSteps(b, s.Steps)
		b.WriteString("}")
	case Alt:
		b.WriteString("alt {\n")
		for i, branch := range s.Branches {
			formatSteps(b, branch.Steps)
			b.WriteString("}")
			if branch.As != "" {
				b.WriteString(" as " + branch.As)
			}
			if i+1 < len(s.Branches) {
				b.WriteString(" or {\n")
			}
		}
	}
	b.WriteString("\n")
}

// colon writes ": text" or "| octets", and no blank behind which nothing stands.
func colon(s *Step) string {
	c := ":"
	if s.Raw {
		c = "|"
	}
	if s.Text == "" {
		return c
	}
	return c + " " + s.Text
}

func formatAttrs(attrs []Attr) string {
	words := make([]string, len(attrs))
	for i, a := range attrs {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

// span drops the zero parts that time.Duration writes: 10m0s is 10m.
func span(s string) string {
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
