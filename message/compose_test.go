package message_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/message"
)

// entity is a MIME entity as the standard library reads it.
type entity struct {
	Type, Charset, Encoding, Disposition, Filename, ContentID string

	Body  string // decoded; empty for a multipart
	Parts []entity
}

// parse reads a whole message by net/mail and mime/multipart.
func parse(t testing.TB, text string) (mail.Header, entity) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("net/mail: %v of %.500q", err, text)
	}
	return m.Header, parseEntity(t, textproto.MIMEHeader(m.Header), m.Body)
}

func parseEntity(t testing.TB, h textproto.MIMEHeader, body io.Reader) entity {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		t.Fatalf("Content-Type %q: %v", h.Get("Content-Type"), err)
	}
	e := entity{Type: mediaType, Charset: params["charset"], Encoding: h.Get("Content-Transfer-Encoding"), ContentID: h.Get("Content-Id")}
	if d := h.Get("Content-Disposition"); d != "" {
		var dp map[string]string
		if e.Disposition, dp, err = mime.ParseMediaType(d); err != nil {
			t.Fatalf("Content-Disposition %q: %v", d, err)
		}
		e.Filename = dp["filename"]
	}
	if strings.HasPrefix(mediaType, "multipart/") || strings.HasPrefix(mediaType, "message/rfc822") {
		if e.Encoding == "base64" || e.Encoding == "quoted-printable" { // RFC 2045 §6.4: encodings do not nest
			t.Errorf("%s in %s", mediaType, e.Encoding)
		}
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return e
			}
			if err != nil {
				t.Fatalf("multipart: %v", err)
			}
			e.Parts = append(e.Parts, parseEntity(t, p.Header, p))
		}
	}
	switch e.Encoding {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("body of %q: %v", mediaType, err)
	}
	e.Body = string(b)
	return e
}

// checkForetold checks that the content is what was said of it before it was read, and the same each time.
func checkForetold(t testing.TB, m *message.Message) string {
	t.Helper()
	c, err := m.Content()
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if _, err := c.WriteTo(&a); err != nil {
		t.Fatal(err)
	}
	if c.Reopens() {
		if _, err := c.WriteTo(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Fatalf("opened again: %v, %.300q and %.300q", err, a.Bytes(), b.Bytes())
		}
	}
	got := message.ScanBytes(a.Bytes())
	if c.Size >= 0 && c.Size != got.Octets {
		t.Errorf("size %d foretold, %d written", c.Size, got.Octets)
	}
	if m.Encoding < message.Binary && c.Size >= 0 {
		if d := cmp.Diff(got, *c.Features); d != "" {
			t.Errorf("features foretold:\n%s\nof %.2000q", d, a.Bytes())
		}
	}
	if n, ceiling := c.Features.Needs(), got.Needs(); n.Encoding < ceiling.Encoding || n.UTF8 != ceiling.UTF8 {
		t.Errorf("needs %+v foretold, %+v found", n, ceiling)
	}
	if err := got.Check(m.Encoding, true); err != nil {
		t.Errorf("not for %v: %v", m.Encoding, err)
	}
	return a.String()
}

func TestTree(t *testing.T) {
	png := message.Attachment{Name: "a.png", Type: "image/png", ContentID: "logo@x", Inline: true, Content: message.FromBytes([]byte("png"))}
	pdf := message.Attachment{Name: "b.pdf", Type: "application/pdf", Content: message.FromBytes([]byte("pdf"))}
	shape := func(e entity) string { return "" }
	shape = func(e entity) string {
		if e.Parts == nil {
			return e.Type
		}
		s := strings.TrimPrefix(e.Type, "multipart/") + "("
		for i, p := range e.Parts {
			if i > 0 {
				s += " "
			}
			s += shape(p)
		}
		return s + ")"
	}
	for _, tt := range []struct {
		text, html string
		attached   []message.Attachment
		want       string
	}{
		{"", "", nil, "text/plain"},
		{"t", "", nil, "text/plain"},
		{"", "h", nil, "text/html"},
		{"t", "h", nil, "alternative(text/plain text/html)"},
		{"t", "", []message.Attachment{pdf}, "mixed(text/plain application/pdf)"},
		{"", "", []message.Attachment{pdf}, "mixed(application/pdf)"},
		{"", "", []message.Attachment{pdf, png}, "mixed(application/pdf image/png)"},
		{"", "h", []message.Attachment{png}, "related(text/html image/png)"},
		{"t", "h", []message.Attachment{png}, "alternative(text/plain related(text/html image/png))"},
		{"t", "h", []message.Attachment{png, pdf}, "mixed(alternative(text/plain related(text/html image/png)) application/pdf)"},
		{"t", "", []message.Attachment{png}, "mixed(text/plain image/png)"},
	} {
		m := base()
		m.Text, m.HTML, m.Attachments = tt.text, tt.html, tt.attached
		_, e := parse(t, checkForetold(t, &m))
		if got := shape(e); got != tt.want {
			t.Errorf("%q %q %d: %s, want %s", tt.text, tt.html, len(tt.attached), got, tt.want)
		}
	}
}

func TestTextEncoding(t *testing.T) {
	long := strings.Repeat("long ", 300)
	for _, tt := range []struct {
		name, text string
		want       [3]string // for SevenBit, EightBit, Binary
	}{
		{"ASCII", "hello\n.dot\nFrom me", [3]string{"7bit", "7bit", "7bit"}},
		{"some 8bit", "Grüße aus der Stadt am Fluss", [3]string{"quoted-printable", "8bit", "8bit"}},
		{"much 8bit", "日本語テスト", [3]string{"base64", "8bit", "8bit"}},
		{"long line", long, [3]string{"quoted-printable", "quoted-printable", "binary"}},
		{"NUL", "much plain text and one \x00", [3]string{"quoted-printable", "quoted-printable", "binary"}},
		{"trailing space", "é and a line of plain text that ends in space \n", [3]string{"quoted-printable", "8bit", "8bit"}},
		{"longest", strings.Repeat("x", 998), [3]string{"7bit", "7bit", "7bit"}},
		{"all line ends", "a\rb\nc\r\nd\n\n", [3]string{"7bit", "7bit", "7bit"}},
		{"only ends", "\r\r\n\n", [3]string{"7bit", "7bit", "7bit"}},
	} {
		want := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(tt.text, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n")
		for enc := message.SevenBit; enc <= message.Binary; enc++ {
			m := base()
			m.Text, m.Encoding = tt.text, enc
			_, e := parse(t, checkForetold(t, &m))
			if got := strings.TrimSuffix(e.Body, "\r\n"); e.Encoding != tt.want[enc] || got != strings.TrimSuffix(want, "\r\n") {
				t.Errorf("%s for %v: %s, want %s; body %.100q", tt.name, enc, e.Encoding, tt.want[enc], e.Body)
			}
			m.HTML = "<p>"
			_, e = parse(t, checkForetold(t, &m))
			if got := e.Parts[0]; got.Encoding != tt.want[enc] || got.Body != want {
				t.Errorf("%s for %v as a part: %s, body %.100q", tt.name, enc, got.Encoding, got.Body)
			}
		}
	}
}

func TestAttachmentEncoding(t *testing.T) {
	inner := "Subject: x\n\nbody\n"
	for _, tt := range []struct {
		name, mediaType, content string
		want                     [3]string // "" refused with fault
		fault                    message.Fault
	}{
		{"image", "image/png", "\x00\x01\xFF\r\n\n\r", [3]string{"base64", "base64", "binary"}, 0},
		{"empty", "image/png", "", [3]string{"base64", "base64", "binary"}, 0},
		{"text", "text/plain; charset=utf-8", "a\nü", [3]string{"base64", "base64", "binary"}, 0},
		{"message", "message/rfc822", inner, [3]string{"7bit", "7bit", "7bit"}, 0},
		{"message without line end", "message/rfc822", "Subject: x\r\n\r\nbody", [3]string{"7bit", "7bit", "7bit"}, 0},
		{"8bit message", "message/rfc822", inner + "ü\n", [3]string{"", "8bit", "8bit"}, message.FaultEightBit},
		{"global message", "message/global", "Subject: ü\n\nü\n", [3]string{"base64", "base64", "binary"}, 0},
		{"message with long line", "message/rfc822", inner + strings.Repeat("x", 999), [3]string{"", "", "binary"}, message.FaultLongLine},
		{"message with NUL", "message/rfc822", inner + "\x00", [3]string{"", "", "binary"}, message.FaultNUL},
	} {
		for enc := message.SevenBit; enc <= message.Binary; enc++ {
			for _, source := range []message.Content{
				message.FromBytes([]byte(tt.content)),
				message.FromReaderAt(strings.NewReader(tt.content), int64(len(tt.content))),
				message.FromReader(iotest.HalfReader(strings.NewReader(tt.content)), int64(len(tt.content))),
				message.FromReader(strings.NewReader(tt.content), -1),
			} {
				m := base()
				m.Text, m.Encoding = "t", enc
				m.Attachments = []message.Attachment{{Name: "n.x", Type: tt.mediaType, Content: source}}
				name := fmt.Sprintf("%s for %v, reopens %v, size %d", tt.name, enc, source.Reopens(), source.Size)
				if tt.want[enc] == "" {
					_, err := m.WriteTo(io.Discard)
					var ce *message.ContentError
					if !errors.Is(err, tt.fault) || !errors.As(err, &ce) || ce.Part != "n.x" {
						t.Errorf("%s: %v; want %v", name, err, tt.fault)
					}
					continue
				}
				want, encoding := tt.content, tt.want[enc]
				if tt.mediaType == "message/rfc822" {
					if !source.Reopens() && enc > 0 {
						encoding = enc.String() // nothing is known of it beforehand
					}
					if encoding != "binary" {
						want = strings.ReplaceAll(strings.ReplaceAll(want, "\r\n", "\n"), "\n", "\r\n")
						want = strings.TrimSuffix(want, "\r\n") + "\r\n"
					}
				}
				_, e := parse(t, checkForetold(t, &m))
				got := e.Parts[1]
				if got.Encoding != encoding || got.Body != want {
					t.Errorf("%s: %s, want %s; body %q, want %q", name, got.Encoding, encoding, got.Body, want)
				}
			}
		}
	}
}

func TestFilenames(t *testing.T) {
	for name, raw := range map[string]string{
		"a.txt":                   `filename=a.txt`,
		"with space.txt":          `filename="with space.txt"`,
		`q"b\.txt`:                `filename="q\"b\\.txt"`,
		"ä.txt":                   `filename*=utf-8''%C3%A4.txt`,
		"a%b'c*.txt":              `filename=a%b'c*.txt`,
		strings.Repeat("x", 300):  `filename*0*=utf-8''`,
		strings.Repeat("日本", 120): `filename*1*=`,
		"😀" + strings.Repeat(`\"; x=y`, 30) + "ü": `filename*0*=utf-8''%F0%9F%98%80`,
		"a;b=c": `filename="a;b=c"`,
	} {
		m := base()
		m.Attachments = []message.Attachment{message.AttachBytes(name, nil)}
		text := checkForetold(t, &m)
		_, e := parse(t, text)
		if got := e.Parts[0].Filename; got != name || !strings.Contains(text, raw) {
			t.Errorf("%q is read as %q in %q", name, got, text)
		}
		for line := range strings.SplitSeq(text, "\r\n") {
			if len(line) > 80 {
				t.Errorf("%.30q: line %q", name, line)
			}
		}
	}
}

func TestAttachmentErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		a     message.Attachment
		field string // "": a ContentError
	}{
		"no content":   {message.Attachment{Name: "x"}, ""},
		"control":      {message.AttachBytes("a\r\nb", nil), "Content-Disposition"},
		"not UTF-8":    {message.AttachBytes("\xFF", nil), "Content-Disposition"},
		"content id":   {message.Attachment{ContentID: "a b", Content: message.FromBytes(nil)}, "Content-ID"},
		"content id ü": {message.Attachment{ContentID: "ü@x", Content: message.FromBytes(nil)}, "Content-ID"},
	} {
		m := base()
		m.Attachments = []message.Attachment{tt.a}
		_, err := m.WriteTo(failingWriter{t})
		if tt.field == "" {
			checkFault(t, name, err, message.FaultSource, 0)
		} else {
			checkHeaderError(t, name, err, tt.field)
		}
	}
}

// boundaryOf returns the outermost boundary.
func boundaryOf(t *testing.T, m message.Message) string {
	t.Helper()
	m.Rand = base().Rand
	_, params, err := mime.ParseMediaType(value(t, written(t, &m), "Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	return params["boundary"]
}

func TestBoundaryIsInNoPart(t *testing.T) {
	m := base()
	m.Text, m.HTML = "t", "h"
	taken := boundaryOf(t, m)
	m.Text = "--" + taken + "--"
	if b := boundaryOf(t, m); b == taken || b == "" {
		t.Errorf("boundary %q again", b)
	}
	m.HTML = ""
	m.Encoding = message.Binary
	m.Text = "t"
	m.Attachments = []message.Attachment{message.AttachBytes("x", []byte("x"))}
	taken = boundaryOf(t, m)
	for _, cut := range []int{0, 1, 20, 33} { // the boundary comes by in two pieces
		hostile := "\r\n--" + taken + "\r\n"
		r := io.MultiReader(strings.NewReader(hostile[:4+cut]), strings.NewReader(hostile[4+cut:]))
		m.Rand = base().Rand
		m.Attachments = []message.Attachment{message.AttachReader("evil", iotest.OneByteReader(r), int64(len(hostile)))}
		if cut == 0 {
			m.Attachments[0].Content = message.FromReader(r, -1)
		}
		var b bytes.Buffer
		_, err := m.WriteTo(&b)
		var ce *message.ContentError
		if !errors.Is(err, message.FaultBoundary) || !errors.As(err, &ce) || ce.Part != "evil" || bytes.HasSuffix(b.Bytes(), []byte("--\r\n")) {
			t.Errorf("cut at %d: %v after %q", cut, err, b.Bytes())
		}
	}
}

// TestSourcesMustKeepTheirWord has sources that fail or lie: what is cut short must never look complete.
func TestSourcesMustKeepTheirWord(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, tt := range map[string]struct {
		content func() message.Content
		fault   message.Fault
	}{
		"short":    {func() message.Content { return message.FromReader(strings.NewReader("abc"), 4) }, message.FaultSize},
		"long":     {func() message.Content { return message.FromReader(strings.NewReader("abc"), 2) }, message.FaultSize},
		"short at": {func() message.Content { return message.FromReaderAt(strings.NewReader("abc"), 4) }, message.FaultSize},
		"failing": {func() message.Content {
			return message.FromReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), -1)
		}, message.FaultSource},
		"timeout": {func() message.Content {
			return message.FromReader(iotest.TimeoutReader(strings.NewReader(strings.Repeat("x\r\n", 50000))), -1)
		}, message.FaultSource},
		"unopened": {func() message.Content {
			return message.Content{Open: func() (io.ReadCloser, error) { return nil, broken }, Size: 3}
		}, message.FaultSource},
		"cut": {func() message.Content { return message.FromReader(iotest.ErrReader(io.ErrUnexpectedEOF), -1) }, message.FaultSource},
		"wrapped": {func() message.Content {
			return message.FromReader(iotest.ErrReader(fmt.Errorf("link: %w", io.EOF)), -1)
		}, message.FaultSource},
	} {
		for _, mediaType := range []string{"image/png", "message/rfc822"} {
			for _, enc := range []message.Encoding{message.SevenBit, message.Binary} {
				m := base()
				m.Text, m.Encoding = "t", enc
				m.Attachments = []message.Attachment{{Name: "bad", Type: mediaType, Content: tt.content()}}
				var b bytes.Buffer
				_, err := m.WriteTo(&b)
				var ce *message.ContentError
				if !errors.As(err, &ce) || !errors.Is(err, tt.fault) || ce.Part != "bad" {
					t.Errorf("%s as %s in %v: %v; want %v", name, mediaType, enc, err, tt.fault)
				}
				if bytes.HasSuffix(b.Bytes(), []byte("--\r\n")) {
					t.Errorf("%s as %s in %v: looks complete: %q", name, mediaType, enc, b.Bytes())
				}
			}
		}
	}
}

func TestOneTimeSource(t *testing.T) {
	m := base()
	m.Attachments = []message.Attachment{message.AttachReader("x", strings.NewReader("abc"), 3)}
	c, err := m.Content()
	if err != nil || c.Reopens() || c.Size < 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := c.WriteTo(io.Discard); err != nil {
		t.Fatal(err)
	}
	_, err = c.WriteTo(io.Discard)
	checkFault(t, "second time", err, message.FaultReopen, 0)
}

func TestCallersMIME(t *testing.T) {
	m := base()
	m.Text = "--b\n\nhello\n--b--"
	if err := m.SetOtherHeaders("MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=b\r\n"); err != nil {
		t.Fatal(err)
	}
	text := checkForetold(t, &m)
	if value(t, text, "Content-Type") != "multipart/mixed; boundary=b" || !strings.HasSuffix(text, "\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n") {
		t.Errorf("%q", text)
	}
	m.HTML = "no"
	_, err := m.Content()
	checkHeaderError(t, "HTML", err, "MIME-Version")
	m.HTML = ""
	if err := m.SetOtherHeaders("\r\nFrom: a@b\nSubject: x\r\n\ty\rDate: z\n"); err != nil {
		t.Fatal(err)
	}
	if text := checkForetold(t, &m); !strings.HasPrefix(text, "From: a@b\r\nSubject: x\r\n\ty\r\nDate: z\r\n\r\n--b") {
		t.Errorf("%q", text)
	}
	if m.OtherHeaders != nil {
		t.Errorf("OtherHeaders stay: %v", m.OtherHeaders)
	}
	if err := m.SetOtherHeaders("X-A: b\n"); err != nil || m.RawHeaders != "" || len(m.OtherHeaders) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestRawHeadersRules(t *testing.T) {
	for in, field := range map[string]string{
		"\nBcc: x@y":        "Bcc",
		"\nReturn-Path: <>": "Return-Path",
		"\nA: b\n \nC: d":   "RawHeaders",
		"\nA: b\n" + " " + strings.Repeat("x", 999): "RawHeaders",
		"\n":                                   "OtherHeaders",
		"\nA b":                                "A b",
		"\n A: b":                              " A",
		"\nA: \x00":                            "A",
		"\nA: b\n c\u2028":                     "A",
		"\nA: b\r\n\r\nc":                      "",
		"\n" + strings.Repeat("A: b\n", 1<<18): "RawHeaders",
		"A b":                                  "A b",
		"B\t:":                                 "",
		strings.Repeat("A: b\n", 10002):        "",
	} {
		m := base()
		err := m.SetOtherHeaders(in)
		if err == nil {
			_, err = m.WriteTo(io.Discard)
		}
		if in == "B\t:" || strings.HasSuffix(in, "\r\n\r\nc") {
			continue
		}
		checkHeaderError(t, in, err, field)
	}
}

// pattern is a source of many zeros.
type pattern struct{ left int64 }

func (p *pattern) Read(b []byte) (int, error) {
	n := int(min(p.left, int64(len(b))))
	if p.left -= int64(n); n == 0 {
		return 0, io.EOF
	}
	clear(b[:n])
	return n, nil
}

func TestHugeAttachmentInLittleMemory(t *testing.T) {
	for _, enc := range []message.Encoding{message.SevenBit, message.Binary} {
		m := base()
		m.Encoding = enc
		m.Attachments = []message.Attachment{{Name: "huge.bin", Content: message.Content{
			Open: func() (io.ReadCloser, error) { return io.NopCloser(&pattern{hugeSize}), nil }, Size: hugeSize,
		}}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := m.Content()
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.WriteTo(io.Discard)
		runtime.ReadMemStats(&after)
		if err != nil || n != c.Size || n < hugeSize {
			t.Errorf("%v: %d octets of %d, %v", enc, n, c.Size, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%v: %d octets of memory for an attachment of %d", enc, used, int64(hugeSize))
		}
	}
}

func TestFailingRandomness(t *testing.T) {
	broken := errors.New("no entropy")
	m := base()
	m.Rand = iotest.ErrReader(broken)
	m.MessageID = "a@b" // the boundary is next
	m.HTML = "h"
	for range 2 {
		_, err := m.WriteTo(failingWriter{t})
		if sealErr := m.Seal(); !errors.Is(err, broken) || m.MessageID == "" && !errors.Is(sealErr, broken) {
			t.Errorf("%v, %v", err, sealErr)
		}
		m.MessageID = ""
	}
}

func FuzzCompose(f *testing.F) {
	// What is composed of any text, markup and attachment suits the transport, is foretold octet for octet, and reads back as it was.
	f.Add("text\n", "<p>", []byte("a\r\n--b"), "n.bin", uint8(0))
	f.Add("", "", []byte{0, 255}, "ä\"", uint8(1))
	f.Add("=\t \r.\n.", "ü\x00", []byte(nil), "", uint8(2))
	f.Fuzz(func(t *testing.T, text, html string, octets []byte, name string, enc uint8) {
		m := base()
		m.Text, m.HTML, m.Encoding = text, html, message.Encoding(enc%3)
		m.Attachments = []message.Attachment{{Name: name, Type: "x/y", Content: message.FromReaderAt(bytes.NewReader(octets), int64(len(octets)))}}
		if _, err := m.Content(); err != nil {
			var he *message.HeaderError
			var ce *message.ContentError
			if !errors.As(err, &he) && !errors.As(err, &ce) {
				t.Fatalf("error %T %v", err, err)
			}
			return
		}
		_, root := parse(t, checkForetold(t, &m))
		var want []string
		for _, s := range []string{text, html} {
			if s != "" {
				want = append(want, strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(s))
			}
		}
		want = append(want, string(octets))
		var got []string
		var walk func(entity)
		walk = func(e entity) {
			for _, p := range e.Parts {
				walk(p)
			}
			if e.Parts == nil {
				got = append(got, e.Body)
			}
		}
		walk(root)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("reads back otherwise:\n%s", d)
		}
	})
}
