package message_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/message"
)

// rawSources gives the text in all the ways a content can.
func rawSources(text string) map[string]message.Content {
	return map[string]message.Content{
		"bytes":     message.FromBytes([]byte(text)),
		"reader at": message.FromReaderAt(strings.NewReader(text), int64(len(text))),
		"one byte":  message.FromReader(iotest.OneByteReader(strings.NewReader(text)), -1),
		"data err":  message.FromReader(iotest.DataErrReader(strings.NewReader(text)), int64(len(text))),
	}
}

func TestRawLeavesOutBcc(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"A: b\r\n\r\nBcc: stays\r\n", "A: b\r\n\r\nBcc: stays\r\n"},
		{"Bcc: x@y\r\nA: b\r\n\r\nc", "A: b\r\n\r\nc"},
		{"A: b\r\nBCC: x@y,\r\n z@w\r\n\tv@u\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n"},
		{"A: b\r\nbcc : x@y\r\n\r\nc", "A: b\r\n\r\nc"},
		{"A: b\r\nBcc\t:\r\n\r\nc", "A: b\r\n\r\nc"},
		{"A: b\nBcc: x\n y\nC: d\n\nBcc: e", "A: b\nC: d\n\nBcc: e"},
		{"A: b\rBcc: x\r y\rC: d\r\rBcc: e", "A: b\rC: d\r\rBcc: e"},
		{"A: b\rBcc: x\r\nC: d\n\r\nBcc: e", "A: b\rC: d\n\r\nBcc: e"},
		{"Resent-Bcc: x\r\nReturn-Path: <a@b>\r\nBcc: x\r\n", ""},
		{"Bcc: x", ""},
		{"Bcc", "Bcc"},
		{"Bccc: x\r\nBc: y\r\nX-Bcc: z\r\n", "Bccc: x\r\nBc: y\r\nX-Bcc: z\r\n"},
		{"A: Bcc: x\r\n Bcc: y\r\n", "A: Bcc: x\r\n Bcc: y\r\n"},
		{"A: b\r\n \r\nBcc: x\r\n\r\n", "A: b\r\n \r\n\r\n"},
		{"\r\nBcc: body\r\n", "\r\nBcc: body\r\n"},
		{"Bcc: " + long + "\r\nA: b\r\n\r\n" + long, "A: b\r\n\r\n" + long},
		{"A: " + long + "\r\nBcc:x\r\n" + long + "\r\n\r\n", "A: " + long + "\r\n" + long + "\r\n\r\n"},
		{"Bcc" + strings.Repeat(" ", 3000) + ": x\r\n", "Bcc" + strings.Repeat(" ", 3000) + ": x\r\n"},
	} {
		for name, source := range rawSources(tt.in) {
			m := message.Message{Raw: source}
			var b bytes.Buffer
			if _, err := m.WriteTo(&b); err != nil || b.String() != tt.want {
				t.Errorf("%s: %.100q becomes %.100q, %v", name, tt.in, b.String(), err)
			}
		}
		m := message.Message{Raw: message.FromBytes([]byte(tt.in)), RawVerbatim: true}
		if got := written(t, &m); got != tt.in {
			t.Errorf("verbatim: %.100q becomes %.100q", tt.in, got)
		}
	}
}

func TestHugeRawInLittleMemory(t *testing.T) {
	head := "A: b\r\nBcc: x\r\n\r\n"
	open := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(head), &pattern{hugeSize})), nil
	}
	m := message.Message{Raw: message.Content{Open: open, Size: int64(len(head)) + hugeSize}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := m.WriteTo(io.Discard)
	runtime.ReadMemStats(&after)
	if err != nil || n != int64(len("A: b\r\n\r\n"))+hugeSize {
		t.Errorf("%d octets, %v", n, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d octets of memory for a message of %d", used, n)
	}
}

func TestRawContent(t *testing.T) {
	const text = "From: a@b\r\nBcc: secret@x\r\nSubject: ü\r\n\tfolded\r\n\r\nbody\n"
	for name, source := range rawSources(text) {
		m := base()
		m.Raw, m.Text, m.Subject = source, "ignored", "ignored\r\n"
		c, err := m.Content()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		fields, headErr := m.Headers()
		_, needErr := m.Needs()
		if !source.Reopens() {
			checkFault(t, name, headErr, message.FaultReopen, 0)
			checkFault(t, name, needErr, message.FaultReopen, 0)
			if c.Features != nil || c.Size != -1 {
				t.Errorf("%s: %+v", name, c)
			}
			continue
		}
		want := []message.HeaderField{{Name: "From", Value: "a@b"}, {Name: "Subject", Value: "ü\tfolded"}}
		if d := cmp.Diff(want, fields); headErr != nil || d != "" {
			t.Errorf("%s: %v\n%s", name, headErr, d)
		}
		kept := strings.Replace(text, "Bcc: secret@x\r\n", "", 1)
		if c.Size != int64(len(kept)) || *c.Features != message.ScanBytes([]byte(kept)) || needErr != nil {
			t.Errorf("%s: %d %+v, %v", name, c.Size, c.Features, needErr)
		}
		if e, err := m.Envelope(); err != nil || len(e.Recipients) != 1 || e.ReversePath != alice.Path {
			t.Errorf("%s: envelope %+v, %v", name, e, err)
		}
		if err := m.Seal(); err != nil || m.MessageID != "" {
			t.Errorf("%s: sealed %q, %v", name, m.MessageID, err)
		}
	}
}

func TestRawFaults(t *testing.T) {
	broken := errors.New("broken")
	m := message.Message{Raw: message.Content{Open: func() (io.ReadCloser, error) { return nil, broken }, Size: -1}}
	for name, do := range map[string]func() error{
		"content": func() error { _, err := m.Content(); return err },
		"headers": func() error { _, err := m.Headers(); return err },
		"write":   func() error { _, err := m.WriteTo(io.Discard); return err },
	} {
		if err := do(); !errors.Is(err, broken) || !errors.Is(err, message.FaultSource) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.Raw.Open = func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(broken)), nil }
	if _, err := m.HeaderString(); !errors.Is(err, broken) {
		t.Errorf("headers: %v", err)
	}
	m.Raw = message.FromBytes([]byte("A: " + strings.Repeat("x", 2<<20)))
	_, err := m.HeaderString()
	checkHeaderError(t, "endless header", err, "")
}

func TestParseFields(t *testing.T) {
	got, err := message.ParseFields("A: b\r\nC:d\n  e\rF :\r\n\tg\r\n\r\nH: i")
	want := []message.HeaderField{{Name: "A", Value: "b"}, {Name: "C", Value: "d  e"}, {Name: "F", Value: "g"}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	if got, err := message.ParseFields(""); err != nil || got != nil {
		t.Errorf("empty: %v, %v", got, err)
	}
}

func TestEnvelopeOf(t *testing.T) {
	for _, tt := range []struct {
		head, from string
		to         string
		field      string // of the error
	}{
		{"From: a@b\nTo: c@d, G: e@f;\nCc: c@d\nBcc: g@h\n", "a@b", "c@d e@f g@h", ""},
		{"From: a@b, x@y\nSender: s@t\nTo: c@d\nto: e@f\n", "s@t", "c@d e@f", ""},
		{"From: a@b\nTo: c@d\nResent-From: r@s\nResent-To: t@u\n", "r@s", "t@u", ""},
		{"From: a@b\nTo: c@d\nResent-From: r@s\nResent-Sender: q@s\nResent-Bcc: t@u\n", "q@s", "t@u", ""},
		{"To: c@d\n", "", "", "From"},
		{"From: a@b\n", "", "", "To"},
		{"From: a@b\nTo: c d\n", "", "", "To"},
		{"From: a@b\nTo: undisclosed-recipients:;\n", "", "", "To"},
	} {
		fields, err := message.ParseFields(tt.head)
		if err != nil {
			t.Fatal(err)
		}
		e, err := message.EnvelopeOf(fields)
		if tt.field != "" {
			checkHeaderError(t, tt.head, err, tt.field)
			continue
		}
		var to []string
		for _, r := range e.Recipients {
			to = append(to, r.Path.String())
		}
		if err != nil || e.ReversePath.String() != tt.from || strings.Join(to, " ") != tt.to {
			t.Errorf("%q: %v %v, %v", tt.head, e.ReversePath, to, err)
		}
	}
}

// What EnvelopeOf would refuse, because a part of the envelope comes from elsewhere.
func TestAddressesOf(t *testing.T) {
	for head, want := range map[string]string{
		"Subject: x\n":                     "from [] sender <> to  cc  bcc ",
		"From: a@b\n":                      "from [a@b] sender <> to  cc  bcc ",
		"Bcc: g@h\nCc: c@d\nSender: s@t\n": "from [] sender s@t to  cc c@d bcc g@h",
		"To: G: e@f;\nResent-To: t@u\n":    "from [] sender <> to t@u cc  bcc ",
		"From: root (Cron)\nTo: G: bob, \"a b\";, e@f\nCc: <postmaster>\n": `from [Cron <root@home.example>] sender <> to G: bob@home.example, "a b"@home.example;, e@f cc postmaster@home.example bcc `,
		"To: undisclosed-recipients:;\n":                                   "from [] sender <> to undisclosed-recipients: ; cc  bcc ",
	} {
		fields, err := message.ParseFields(head)
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.AddressesOf(fields, "home.example")
		if err != nil {
			t.Errorf("%q: %v", head, err)
			continue
		}
		if got := fmt.Sprintf("from %v sender %v to %v cc %v bcc %v", m.From, m.Sender, m.To, m.Cc, m.Bcc); got != want {
			t.Errorf("%q: %s, want %s", head, got, want)
		}
	}
}

func FuzzRaw(f *testing.F) {
	// However the source cuts a raw message, no line of the header that leaves begins with Bcc, and the body is untouched.
	f.Add("A: b\r\nBcc: x\r\n y\r\n\r\nBcc: z", 3)
	f.Add("bcc :x\rC: d\n\rb", 1)
	f.Fuzz(func(t *testing.T, in string, cut int) {
		whole := message.Message{Raw: message.FromBytes([]byte(in))}
		want := written(t, &whole)
		if cut < 0 || cut > len(in) {
			cut = len(in) / 2
		}
		m := message.Message{Raw: message.FromReader(io.MultiReader(strings.NewReader(in[:cut]), strings.NewReader(in[cut:])), -1)}
		if got := written(t, &m); got != want {
			t.Fatalf("%q cut at %d: %q, in one piece %q", in, cut, got, want)
		}
		n := message.ScanBytes([]byte(want)).HeaderOctets
		for _, line := range strings.FieldsFunc(want[:n], func(r rune) bool { return r == '\r' || r == '\n' }) {
			if name, _, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimRight(name, " \t"), "Bcc") && len(name) < 1000 {
				t.Fatalf("%q: leaves as %q", in, want)
			}
		}
		if body := message.ScanBytes([]byte(in)).HeaderOctets; in[body:] != want[n:] {
			t.Fatalf("%q: body becomes %q", in, want[n:])
		}
	})
}
