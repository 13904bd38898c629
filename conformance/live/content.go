package live

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// content holds what has arrived against the message. A client that makes a message of
// its own may add fields, and encode the body.
func (j *judge) content() {
	want := canonical(j.plan.errand.Content)
	for _, v := range j.all {
		for _, got := range v.arrived() {
			switch j.compare(want, got) {
			case "dots":
				j.add("C-5321-065", "lines that begin with a dot do not arrive as they were", shown(want, got), shown(got, want))
			case "end":
				j.add("C-5321-066", "lines are added at the end of the content", shown(want, got), shown(got, want))
				j.soften()
			case "body":
				j.add("C-5321-066", "another body arrives than was given", shown(want, got), shown(got, want))
			}
		}
	}
}

// arrived returns the contents of the messages that were sent to their ends.
func (v *conversation) arrived() [][]byte {
	var all [][]byte
	var chunks []byte
	for _, c := range v.contents {
		switch {
		case c.chunk:
			chunks = append(chunks, c.octets...)
			if c.last {
				all, chunks = append(all, chunks), nil
			}
		case !bytes.Equal(c.octets, []byte(".\r\n")) || len(v.plan.errand.Content) == 0: // otherwise it is for nobody
			var u codec.Unstuffer
			plain, _ := u.Append(nil, c.octets)
			all = append(all, plain)
		}
	}
	return all
}

// canonical ends lines by CRLF, and the last one too.
func canonical(p []byte) []byte {
	p = bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n"))
	p = bytes.ReplaceAll(p, []byte("\r"), []byte("\n"))
	if len(p) > 0 && p[len(p)-1] != '\n' {
		p = append(p, '\n')
	}
	return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))
}

// compare says in what the contents differ: "" where in nothing that matters.
func (j *judge) compare(want, got []byte) string {
	if bytes.Equal(want, got) || bytes.Equal(want, canonical(got)) {
		return ""
	}
	_, gives := parts(want)
	head, body := parts(got)
	if encoding := fieldOf(head, "content-transfer-encoding"); encoding != "" && fieldOf(want, "content-transfer-encoding") == "" {
		var ok bool
		if body, ok = decoded(encoding, body); !ok {
			return ""
		}
		body = canonical(body)
	}
	if bare(j.plan.errand.Content) { // the bystander sees to the line ends: only nothing else may change
		letters := func(p []byte) []byte {
			return bytes.ReplaceAll(bytes.ReplaceAll(p, []byte("\r"), nil), []byte("\n"), nil)
		}
		want, gives, body = letters(want), letters(gives), letters(body)
	}
	trim := func(p []byte) []byte { return bytes.TrimRight(p, "\r\n") }
	dots := func(p []byte) []byte { return bytes.ReplaceAll(p, []byte("."), nil) }
	for _, w := range [][]byte{gives, want} { // a client may have put a header in front of what has none
		switch {
		case bytes.Equal(w, body), bytes.Equal(w, canonical(body)):
			return ""
		case bytes.Equal(trim(w), trim(body)):
			return "end"
		case bytes.Equal(dots(trim(w)), dots(trim(body))):
			return "dots"
		}
	}
	if !bytes.Contains(want, []byte("\r\n\r\n")) || slices.ContainsFunc(want, func(b byte) bool { return b > 127 || b < ' ' && b != '\r' && b != '\n' && b != '\t' }) {
		return "" // it is no message, or one that needs encoding: clients mend it in ways of their own
	}
	return "body"
}

// bare reports whether there is a CR or LF alone.
func bare(p []byte) bool {
	return bytes.ContainsAny(bytes.ReplaceAll(p, []byte("\r\n"), nil), "\r\n")
}

// parts returns the header and the body of a message.
func parts(p []byte) (head, body []byte) {
	if body, ok := bytes.CutPrefix(p, []byte("\r\n")); ok { // an empty header
		return nil, body
	}
	if i := bytes.Index(p, []byte("\r\n\r\n")); i >= 0 {
		return p[:i+2], p[i+4:]
	}
	return nil, p
}

func fieldOf(head []byte, name string) string {
	for line := range bytes.Lines(head) {
		key, value, ok := strings.Cut(string(line), ":")
		if ok && strings.EqualFold(key, name) {
			return strings.ToLower(strings.TrimSpace(value))
		}
	}
	return ""
}

func decoded(encoding string, body []byte) ([]byte, bool) {
	var r io.Reader
	switch encoding {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body))
	case "quoted-printable":
		r = quotedprintable.NewReader(bytes.NewReader(body))
	case "7bit", "8bit", "binary":
		return body, true
	default:
		return nil, false
	}
	plain, err := io.ReadAll(r)
	return plain, err == nil
}

// shown quotes p from where it differs from q.
func shown(p, q []byte) string {
	i := 0
	for i < len(p) && i < len(q) && p[i] == q[i] {
		i++
	}
	i = max(0, i-10)
	return smtpt.Escape(p[i:min(len(p), i+60)], false)
}
