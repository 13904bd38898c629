package record

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/internal/escape"
)

// Transcript writes frames down in the transcript format (.smtpt, version 1):
// lines S: and C: as they were sent, S| and C| for octets that are no whole line,
// TLS: where TLS began, X: where a side closed. Commands that left in one write
// are a group, a server line that came in several pieces says where it was split.
//
// No secret gets in. The arguments of AUTH, the answers to 334, the challenges of
// 334 and every client line that does not begin with a command known here are
// replaced by patterns that match anything. Message content is replaced by C<<any
// and its length. What a recorder below TLS has seen of it ends the transcript.
func Transcript(frames []Frame) []byte {
	w := &writer{}
	w.owed = append(w.owed, owedOther) // the greeting
	for i, f := range frames {
		if f.TLS && !w.tls {
			w.flush()
			w.tls, w.hidden = true, false
			w.line("TLS: server")
		}
		switch {
		case w.hidden && !f.End:
			w.flush()
			w.line("# what follows is inside TLS, and was not seen")
			return w.out.Bytes()
		case f.End && f.Dir == FromServer:
			w.flush()
			w.line("X: fin")
		case f.End:
			w.flush()
			w.line("X: client-fin")
		case f.Dir == FromServer:
			w.server(f.Bytes)
		default:
			w.client(f.Bytes, i == 0)
		}
	}
	w.flush()
	return w.out.Bytes()
}

// owed is what a reply of the server answers.
type owed uint8

const (
	owedOther owed = iota
	owedAuth
	owedData
	owedTLS
)

// maxLine bounds what is kept of a line that does not end.
const maxLine = 64 << 10

type writer struct {
	out    bytes.Buffer
	tls    bool
	hidden bool // STARTTLS was granted

	serverLine []byte // not yet at its end
	splits     []int  // borders of frames in it
	clientLine []byte

	owed      []owed
	challenge bool // the last whole line of the server was a 334

	content contentState
	octets  int64 // of the content so far
	told    int64 // of these, when last told of
	left    int64 // of a chunk (BDAT)
	tail    []byte
}

type contentState uint8

const (
	noContent contentState = iota
	dataContent
	chunkContent
)

func (w *writer) line(s string) { w.out.WriteString(s + "\n") }

// server takes a frame of the server.
func (w *writer) server(p []byte) {
	w.flushClient()
	if len(w.serverLine) > 0 {
		w.splits = append(w.splits, len(w.serverLine))
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.serverLine = append(w.serverLine, p...)
			if len(w.serverLine) > maxLine {
				w.flushServer()
			}
			return
		}
		w.serverLine = append(w.serverLine, p[:i+1]...)
		p = p[i+1:]
		w.endServerLine(len(p) > 0)
	}
}

// endServerLine writes the line that is complete. more says that the frame goes on.
func (w *writer) endServerLine(more bool) {
	text, crlf := bytes.CutSuffix(w.serverLine, []byte("\r\n"))
	code, final := replyCode(text)
	if code == 334 {
		// A challenge may hold what helps to guess the password.
		text = []byte("334 cmVkYWN0ZWQ=")
		w.splits = nil
	}
	var attrs []string
	if len(w.splits) > 0 {
		at := make([]string, len(w.splits))
		for i, n := range w.splits {
			at[i] = strconv.Itoa(n)
		}
		attrs = append(attrs, "split="+strings.Join(at, ","))
	}
	if more {
		attrs = append(attrs, "join")
	}
	head := "S"
	if len(attrs) > 0 {
		head += "[" + strings.Join(attrs, " ") + "]"
	}
	if crlf {
		w.line(head + ": " + escape.Text(text, false))
	} else {
		w.line("S| " + escape.Text(w.serverLine, false))
	}
	w.serverLine, w.splits = w.serverLine[:0], nil
	if final {
		w.reply(code)
	}
}

// reply keeps account of what has been answered.
func (w *writer) reply(code int) {
	w.challenge = code == 334
	if w.challenge || len(w.owed) == 0 {
		return
	}
	i := 0
	if code == 354 {
		// Nothing else is answered so; skip what was never answered.
		if i = slices.Index(w.owed, owedData); i < 0 {
			return
		}
	}
	what := w.owed[i]
	w.owed = w.owed[i+1:]
	w.hidden = what == owedTLS && code == 220
	if what == owedData && code == 354 {
		w.content, w.octets, w.told, w.tail = dataContent, 0, 0, append(w.tail[:0], "\r\n"...)
		w.owed = append([]owed{owedOther}, w.owed...)
	}
}

func replyCode(text []byte) (code int, final bool) {
	if len(text) < 3 {
		return 0, false
	}
	for _, b := range text[:3] {
		if b < '0' || b > '9' {
			return 0, false
		}
		code = code*10 + int(b-'0')
	}
	return code, len(text) == 3 || text[3] != '-'
}

// client takes a frame of the client. Several commands of one frame are a group.
func (w *writer) client(p []byte, first bool) {
	w.flushServer()
	if first {
		w.line("# the client spoke first")
	}
	var lines []string
	for len(p) > 0 {
		if w.content != noContent {
			p = p[w.takeContent(p):]
			if w.content == noContent {
				lines = append(lines, w.contentLines())
			}
			continue
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.clientLine = append(w.clientLine, p[:min(len(p), max(0, maxLine-len(w.clientLine)))]...)
			break
		}
		w.clientLine = append(w.clientLine, p[:i+1]...)
		p = p[i+1:]
		lines = append(lines, w.endClientLine())
	}
	if len(lines) > 1 {
		w.line("group one-write {")
		defer w.line("}")
	}
	for _, l := range lines {
		w.line(l)
	}
}

// takeContent counts octets of content and returns how many of p belong to it.
func (w *writer) takeContent(p []byte) int {
	if w.content == chunkContent {
		n := int(min(w.left, int64(len(p))))
		w.left, w.octets = w.left-int64(n), w.octets+int64(n)
		if w.left == 0 {
			w.content = noContent
		}
		return n
	}
	// The end is CRLF "." CRLF; the first line's CRLF is the one before the content.
	const end = "\r\n.\r\n"
	for i, b := range p {
		w.octets++
		if w.tail = append(w.tail, b); len(w.tail) > len(end) {
			w.tail = w.tail[:copy(w.tail, w.tail[len(w.tail)-len(end):])]
		}
		if string(w.tail) == end {
			w.content = noContent
			return i + 1
		}
	}
	return len(p)
}

func (w *writer) contentLines() string {
	if w.octets == 3 && string(w.tail) == "\r\n.\r\n" {
		return "C: ."
	}
	return fmt.Sprintf("# content of %d octets\nC<<any", w.octets)
}

// verbs are the commands whose arguments may be shown.
var verbs = map[string]bool{
	"EHLO": true, "HELO": true, "LHLO": true, "MAIL": true, "RCPT": true, "DATA": true, "BDAT": true,
	"RSET": true, "NOOP": true, "QUIT": true, "VRFY": true, "EXPN": true, "HELP": true, "STARTTLS": true,
	"ETRN": true, "SEND": true, "SOML": true, "SAML": true, ".": true,
}

// endClientLine returns the transcript's line for a whole line of the client.
func (w *writer) endClientLine() string {
	line := w.clientLine
	w.clientLine = w.clientLine[:0]
	text, crlf := bytes.CutSuffix(line, []byte("\r\n"))
	answers := w.challenge
	w.challenge = false
	verb, arg, _ := strings.Cut(string(bytes.TrimRight(text, "\r\n")), " ")
	verb = strings.ToUpper(verb)
	switch {
	case answers:
		return "C: {any}" // the reply to it is the one that AUTH is owed
	case verb == "AUTH":
		w.owed = append(w.owed, owedAuth)
		head := "C: " + string(text[:len(verb)]) + " "
		mech, _, initial := strings.Cut(arg, " ")
		if len(mech) > 32 || !isMechanism(mech) {
			return head + "{any}"
		}
		if initial {
			mech += " {any}"
		}
		return head + mech
	case !verbs[verb]:
		w.owed = append(w.owed, owedOther)
		return "C: {any}"
	case verb == "DATA":
		w.owed = append(w.owed, owedData)
	case verb == "STARTTLS":
		w.owed = append(w.owed, owedTLS)
	case verb == "BDAT":
		w.owed = append(w.owed, owedOther)
		size, _, _ := strings.Cut(arg, " ")
		if n, err := strconv.ParseInt(size, 10, 64); err == nil && n > 0 {
			w.content, w.left, w.octets, w.told, w.tail = chunkContent, n, 0, 0, w.tail[:0]
		}
	case verb == ".":
		// The reply was owed from the 354 on.
	default:
		w.owed = append(w.owed, owedOther)
	}
	if !crlf {
		return "C| " + escape.Text(line, true)
	}
	return "C: " + escape.Text(text, true)
}

// isMechanism holds a mechanism's name to RFC 4422 §3.1.
func isMechanism(s string) bool {
	for _, b := range []byte(s) {
		if (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' && b != '_' {
			return false
		}
	}
	return s != ""
}

func (w *writer) flush() {
	w.flushServer()
	w.flushClient()
}

func (w *writer) flushServer() {
	if len(w.serverLine) == 0 {
		return
	}
	if code, _ := replyCode(w.serverLine); code == 334 {
		w.serverLine = []byte("334 ")
	}
	w.line("S| " + escape.Text(w.serverLine, false))
	w.serverLine, w.splits = nil, nil
}

// flushClient writes that a line of the client did not end; not what it said, since
// it may be half of a secret.
func (w *writer) flushClient() {
	if w.content != noContent && w.octets != w.told {
		w.told = w.octets
		w.line(fmt.Sprintf("# %d octets of content so far", w.octets))
	}
	if len(w.clientLine) == 0 {
		return
	}
	w.line(fmt.Sprintf("# a line of the client breaks off after %d octets", len(w.clientLine)))
	w.clientLine = w.clientLine[:0]
}
