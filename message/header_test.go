package message_test

import (
	"bytes"
	"crypto"
	"errors"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"

	"github.com/parley-mail/parley/message"
)

var (
	alice = message.Address{Name: "Alice", Path: message.MustParsePath("alice@a.example")}
	bob   = message.Addresses(message.Address{Path: message.MustParsePath("bob@b.example")})
)

// base is the smallest message, with a clock and randomness that stand still.
func base() message.Message {
	return message.Message{
		From: []message.Address{alice}, To: bob,
		Now:  func() time.Time { return time.Date(2026, 11, 24, 9, 8, 7, 0, time.FixedZone("", -5*3600-1800)) },
		Rand: bytes.NewReader(bytes.Repeat([]byte("0123456789abcdef"), 1000)),
	}
}

// written is the message as octets, checked for what holds for all of them.
func written(t testing.TB, m *message.Message) string {
	t.Helper()
	var b bytes.Buffer
	n, err := m.WriteTo(&b)
	if err != nil {
		t.Fatalf("WriteTo: %v", err)
	}
	if n != int64(b.Len()) {
		t.Fatalf("WriteTo says %d of %d octets", n, b.Len())
	}
	return b.String()
}

// unfold is the trivial reader of a header section.
func unfold(t testing.TB, text string) []message.HeaderField {
	t.Helper()
	head, _, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		t.Fatalf("no empty line in %.300q", text)
	}
	var fields []message.HeaderField
	for line := range strings.SplitSeq(head, "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || len(line) > message.MaxLine || strings.Trim(line, " \t") == "" {
			t.Fatalf("header line %q", line)
		}
		if line[0] == ' ' || line[0] == '\t' {
			fields[len(fields)-1].Value += line
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			t.Fatalf("header line %q", line)
		}
		fields = append(fields, message.HeaderField{Name: name, Value: value})
	}
	for i := range fields {
		fields[i].Value = strings.TrimPrefix(fields[i].Value, " ")
	}
	return fields
}

// value returns the value of the only field of that name.
func value(t testing.TB, text, name string) string {
	t.Helper()
	found := -1
	fields := unfold(t, text)
	for i, f := range fields {
		if strings.EqualFold(f.Name, name) {
			if found >= 0 {
				t.Fatalf("two fields %s in %q", name, text)
			}
			found = i
		}
	}
	if found < 0 {
		t.Fatalf("no field %s in %q", name, text)
	}
	return fields[found].Value
}

func TestEveryField(t *testing.T) {
	m := base()
	null := message.Path{}
	m.Sender = message.Address{Path: message.MustParsePath("office@a.example")}
	m.From = append(m.From, message.Address{Name: "Carol, too", Path: message.MustParsePath("carol@a.example")})
	m.ReplyTo = message.MustParseAddressList("r@a.example")
	m.Cc = message.MustParseAddressList(`Friends: "x y"@c.example, d@d.example;, e@e.example`)
	m.Bcc = message.MustParseAddressList("Secret <secret@s.example>")
	m.ReturnPath = &null
	m.Subject = "hello"
	m.MessageIDDomain = "ids.example"
	m.Importance, m.Priority, m.Sensitivity = message.ImportanceHigh, message.PriorityUrgent, message.SensitivityPrivate
	m.ReadReceiptTo = message.MustParseAddressList("rr@a.example")
	m.DeliveryNotificationTo = message.MustParseAddressList("dn@a.example")
	m.TLSOptional = true
	m.OtherHeaders = []message.HeaderField{{Name: "X-One", Value: "1"}, {Name: "References", Value: "<a@b> <c@d>"}, {Name: "X-One", Value: ""}}
	m.Text = "hi\n"
	want := strings.ReplaceAll(`Date: Tue, 24 Nov 2026 09:08:07 -0530
From: Alice <alice@a.example>, "Carol, too" <carol@a.example>
Sender: office@a.example
Reply-To: r@a.example
To: bob@b.example
Cc: Friends: "x y"@c.example, d@d.example;, e@e.example
Subject: hello
Message-ID: <ID@ids.example>
Importance: High
Priority: urgent
Sensitivity: Private
Disposition-Notification-To: rr@a.example
Return-Receipt-To: dn@a.example
TLS-Required: No
MIME-Version: 1.0
Content-Type: text/plain; charset=US-ASCII
Content-Transfer-Encoding: 7bit
X-One: 1
References: <a@b> <c@d>
X-One:

hi
`, "\n", "\r\n")
	got := regexp.MustCompile(`<[0-9a-f]{64}@ids`).ReplaceAllString(written(t, &m), "<ID@ids")
	got = strings.ReplaceAll(got, "\r\n <ID@", " <ID@") // too long for a line with the name
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("message:\n%s", d)
	}
	e, err := m.Envelope()
	if err != nil || !e.ReversePath.IsNull() || len(e.Recipients) != 5 || e.NeedsUTF8() {
		t.Fatalf("envelope %+v, %v", e, err)
	}
	for i, want := range []message.RecipientKind{message.KindTo, message.KindCc, message.KindCc, message.KindCc, message.KindBcc} {
		if e.Recipients[i].Kind != want {
			t.Errorf("recipient %d is %v", i, e.Recipients[i].Kind)
		}
	}
	if m.ResetHeaders(); m.From != nil || m.Bcc != nil || m.ReturnPath != nil || m.OtherHeaders != nil || m.Importance != 0 || m.Text != "hi\n" {
		t.Errorf("ResetHeaders leaves %+v", m)
	}
}

// strict is what RFC 5322 §3 has, without what §4 still reads: a field, a date, a list of
// addresses.
var strictField, strictDate, strictList = func() (field, date, list *regexp.Regexp) {
	const (
		atom    = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
		dotAtom = atom + `(?:\.` + atom + `)*`
		quoted  = `"(?:[^"\\]|\\.)*"`
		addr    = `(?:` + dotAtom + `|` + quoted + `)@(?:` + dotAtom + `|\[[!-Z^-~]*\])`
		word    = `(?:` + atom + `|` + quoted + `)`
		phrase  = word + `(?: ` + word + `)*`
		mailbox = `(?:` + phrase + ` <` + addr + `>|` + addr + `)`
		entry   = `(?:` + mailbox + `|` + phrase + `:(?: ` + mailbox + `(?:, ` + mailbox + `)*)?;)`
	)
	return regexp.MustCompile(`^[!-9;-~]+:(?: [ -~]*)?$`),
		regexp.MustCompile(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [+-]\d{4}$`),
		regexp.MustCompile(`^` + entry + `(?:, ` + entry + `)*$`)
}()

// TestNoObsoleteForms: whatever the names, addresses and times are, the fields are those of
// the strict grammar (C-MSG-007).
func TestNoObsoleteForms(t *testing.T) {
	names := []string{"", "J. Doe", "a.b", "Doe, John", "John Q Public", `x"y\z`, "(comment)", "a@b", " a  b ", "a:b;", "<x>", "[x]", "Ü. Müller", "=?x?="}
	paths := []string{"a@x.example", "a.b@x.example", `"a b"@x.example`, `"a..b"@x.example`, `"a\"b"@x.example`, "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"}
	times := []time.Time{
		time.Date(1999, 12, 31, 23, 59, 60, 0, time.UTC), time.Date(2003, 1, 2, 3, 4, 5, 0, time.FixedZone("GMT", 0)),
		time.Date(1900, 1, 2, 3, 4, 5, 0, time.FixedZone("EST", -5*3600)), time.Date(9999, 1, 2, 3, 4, 5, 0, time.FixedZone("", 14*3600)),
	}
	for i, name := range names {
		for j, path := range paths {
			a := message.Address{Name: name, Path: message.MustParsePath(path)}
			m := base()
			m.Charset, m.Date, m.Subject = "UTF-8", times[(i+j)%len(times)], name
			m.From, m.Sender, m.ReplyTo = []message.Address{a, a}, a, message.Addresses(a)
			m.To, m.Cc, m.Bcc = message.AddressList{message.Group{Name: "g. " + name, Members: []message.Address{a, a}}, a, message.Group{Name: "none"}}, message.Addresses(a, a), message.Addresses(a)
			if err := m.SetOtherHeaders("X-Blank \t: x\r\nComments : y\r\n"); err != nil {
				t.Fatal(err)
			}
			for _, f := range unfold(t, written(t, &m)) {
				if line := strings.TrimSuffix(f.Name+": "+f.Value, " "); !strictField.MatchString(line) {
					t.Errorf("%q", line)
				}
				switch f.Name {
				case "Date":
					if !strictDate.MatchString(f.Value) {
						t.Errorf("Date: %q", f.Value)
					}
				case "From", "Sender", "Reply-To", "To", "Cc":
					if !strictList.MatchString(f.Value) {
						t.Errorf("%s: %q", f.Name, f.Value)
					}
				}
			}
		}
	}
	m := base()
	if err := m.SetOtherHeaders("\r\nFrom : a@b.example\r\nTo\t : c@d.example,\r\n e:f\r\n"); err != nil {
		t.Fatal(err)
	}
	if head, err := m.HeaderString(); err != nil || head != "From: a@b.example\r\nTo: c@d.example,\r\n e:f\r\n" {
		t.Errorf("%q, %v", head, err)
	}
}

func TestHeadersAreTheOnesSent(t *testing.T) {
	m := base()
	m.Subject = strings.Repeat("many words ", 30)
	if err := m.Seal(); err != nil {
		t.Fatal(err)
	}
	fields, err := m.Headers()
	if err != nil {
		t.Fatal(err)
	}
	text := written(t, &m)
	if d := cmp.Diff(unfold(t, text), fields); d != "" {
		t.Errorf("Headers:\n%s", d)
	}
	head, err := m.HeaderString()
	if err != nil || head+"\r\n" != text[:strings.Index(text, "\r\n\r\n")+4] {
		t.Errorf("HeaderString: %q, %v", head, err)
	}
	if fields[0].String() != "Date: Tue, 24 Nov 2026 09:08:07 -0530" {
		t.Errorf("first field %q", fields[0])
	}
}

func TestMessageID(t *testing.T) {
	for name, size := range map[string]int{"": 64, "MD5": 32, "sha1": 40, "SHA-1": 40, "sha256": 64, "SHA-384": 96, "Sha-512": 128} {
		m := base()
		if name != "" {
			h, err := message.ParseMessageIDAlgorithm(name)
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
			m.MessageIDAlgorithm = h
		}
		id := value(t, written(t, &m), "Message-ID")
		if !regexp.MustCompile(`^<[0-9a-f]+@a\.example>$`).MatchString(id) || len(id) != size+len("<@a.example>") {
			t.Errorf("%q: id %q", name, id)
		}
	}
	var he *message.HeaderError
	if _, err := message.ParseMessageIDAlgorithm("CRC32\r\n"); !errors.As(err, &he) {
		t.Errorf("CRC32: %v", err)
	}
	for in, want := range map[string]string{"a@b": "<a@b>", "<a@b>": "<a@b>"} {
		m := base()
		m.MessageID = in
		if got := value(t, written(t, &m), "Message-ID"); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	m := base()
	m.MessageIDDomain = "bücher.example"
	if got := value(t, written(t, &m), "Message-ID"); !strings.HasSuffix(got, "@xn--bcher-kva.example>") {
		t.Errorf("IDN: %q", got)
	}
	if err := m.Seal(); err != nil || m.MessageID == "" || m.Date.IsZero() {
		t.Errorf("Seal: %q %v %v", m.MessageID, m.Date, err)
	}
	if got := value(t, written(t, &m), "Message-ID"); got != m.MessageID {
		t.Errorf("sealed %q, written %q", m.MessageID, got)
	}
	m = base()
	m.Rand = nil
	seen := make(map[string]bool)
	for range 20000 {
		m.MessageID = ""
		if err := m.Seal(); err != nil || seen[m.MessageID] {
			t.Fatalf("id %q again, %v", m.MessageID, err)
		}
		seen[m.MessageID] = true
	}
}

func TestOmitted(t *testing.T) {
	m := base()
	m.OmitDate, m.OmitMessageID = true, true
	if err := m.Seal(); err != nil || m.MessageID != "" || !m.Date.IsZero() {
		t.Errorf("Seal sets %q %v, %v", m.MessageID, m.Date, err)
	}
	if text := written(t, &m); strings.Contains(text, "Date:") || strings.Contains(text, "Message-ID:") {
		t.Errorf("%q", text)
	}
	m.OtherHeaders = []message.HeaderField{{Name: "Date", Value: "Fri, 21 Nov 1997 09:55:06 -0600"}, {Name: "Message-ID", Value: "<x@y>"}}
	if text := written(t, &m); value(t, text, "date") != m.OtherHeaders[0].Value || value(t, text, "message-id") != "<x@y>" {
		t.Errorf("%q", text)
	}
}

func TestDate(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want string // "": refused
	}{
		{time.Date(1999, 12, 31, 23, 59, 59, 999, time.UTC), "Fri, 31 Dec 1999 23:59:59 +0000"},
		{time.Date(2024, 2, 29, 0, 0, 0, 0, time.FixedZone("", 14*3600)), "Thu, 29 Feb 2024 00:00:00 +1400"},
		{time.Date(1900, 1, 2, 3, 4, 5, 0, time.FixedZone("LMT", 1172)), "Tue, 02 Jan 1900 02:44:33 +0000"},
		{time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC), ""},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ""},
	} {
		m := base()
		m.Date = tt.at
		c, err := m.Content()
		if tt.want == "" {
			checkHeaderError(t, tt.at.String(), err, "Date")
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tt.at, err)
			continue
		}
		b, _ := c.Bytes()
		got := value(t, string(b), "Date")
		if back, err := time.Parse(time.RFC1123Z, got); got != tt.want || err != nil || !back.Equal(tt.at.Truncate(time.Second)) {
			t.Errorf("%v: %q, %v", tt.at, got, err)
		}
	}
}

func checkHeaderError(t *testing.T, name string, err error, field string) {
	t.Helper()
	var e *message.HeaderError
	if !errors.As(err, &e) {
		t.Errorf("%.80q: %v; want a *HeaderError", name, err)
		return
	}
	if e.Field != field {
		t.Errorf("%.80q: field %q, want %q: %v", name, e.Field, field, err)
	}
	if text := err.Error(); len(text) > 1000 || strings.IndexFunc(text, unicode.IsControl) >= 0 {
		t.Errorf("%.80q: error %q", name, text)
	}
}

func TestHeaderRules(t *testing.T) {
	other := func(name, value string) func(*message.Message) {
		return func(m *message.Message) { m.OtherHeaders = []message.HeaderField{{Name: name, Value: value}} }
	}
	for _, tt := range []struct {
		name  string
		set   func(*message.Message)
		field string
	}{
		{"no author", func(m *message.Message) { m.From, m.MessageID = nil, "a@b" }, "From"},
		{"null author", func(m *message.Message) { m.From[0].Path = message.Path{} }, "From"},
		{"two authors", func(m *message.Message) { m.From = append(m.From, alice) }, "Sender"},
		{"no recipient", func(m *message.Message) { m.To = nil }, "To"},
		{"nil recipient", func(m *message.Message) { m.To = message.AddressList{nil} }, "To"},
		{"pointer", func(m *message.Message) { m.Cc = message.AddressList{(*message.Address)(nil)} }, "Cc"},
		{"no domain", func(m *message.Message) { m.To = message.MustParseAddressList("postmaster") }, "To"},
		{"group without name", func(m *message.Message) { m.Cc = message.AddressList{message.Group{}} }, "Cc"},
		{"bad member", func(m *message.Message) {
			m.Cc = message.AddressList{message.Group{Name: "g", Members: []message.Address{{}}}}
		}, "Cc"},
		{"importance", func(m *message.Message) { m.Importance = 9 }, "Importance"},
		{"priority", func(m *message.Message) { m.Priority = 9 }, "Priority"},
		{"sensitivity", func(m *message.Message) { m.Sensitivity = 9 }, "Sensitivity"},
		{"hash", func(m *message.Message) { m.MessageIDAlgorithm = crypto.SHA3_256 }, "Message-ID"},
		{"id domain", func(m *message.Message) { m.MessageIDDomain = "a b" }, "Message-ID"},
		{"id with space", func(m *message.Message) { m.MessageID = "a b@c" }, "Message-ID"},
		{"id empty", func(m *message.Message) { m.MessageID = "<>" }, "Message-ID"},
		{"id long", func(m *message.Message) { m.MessageID = strings.Repeat("x", 901) }, "Message-ID"},
		{"id beyond ASCII", func(m *message.Message) { m.CodePage, m.MessageID = 1252, "ü@x" }, "Message-ID"},
		{"second subject", func(m *message.Message) { m.Subject = "a"; other("SUBJECT", "b")(m) }, "SUBJECT"},
		{"second from", other("from", "b@c"), "from"},
		{"bcc", other("Bcc", "b@c"), "Bcc"},
		{"resent-bcc", other("resent-bcc", "b@c"), "resent-bcc"},
		{"return-path", other("Return-Path", "<b@c>"), "Return-Path"},
		{"name", other("X Y", "z"), "X Y"},
		{"no name", other("", "z"), ""},
		{"colon", other("X:", "z"), "X:"},
		{"name beyond ASCII", other("Ü", "z"), "Ü"},
		{"long name", other(strings.Repeat("n", 77), "z"), strings.Repeat("n", 77)},
		{"long word", other("X-Y", strings.Repeat("z", 1000)), "X-Y"},
		{"long quoted", other("X-Y", `"`+strings.Repeat("z ", 600)+`"`), "X-Y"},
		{"blank", other("X-Y", strings.Repeat(" ", 1000)), "X-Y"},
		{"long value", other("X-Y", strings.Repeat("z ", 40000)), "X-Y"},
		{"not UTF-8", other("X-Y", "\xFF"), "X-Y"},
		{"raw in Latin 1", func(m *message.Message) { m.CodePage, m.Subject = 1252, "ü" }, "Subject"},
		{"rune of no charset", func(m *message.Message) { m.Charset, m.Subject = "iso-8859-1", "€" }, "Subject"},
	} {
		m := base()
		tt.set(&m)
		_, err := m.WriteTo(failingWriter{t})
		checkHeaderError(t, tt.name, err, tt.field)
		if h, err := m.Headers(); err == nil {
			t.Errorf("%s: Headers gives %v", tt.name, h)
		}
		if n, err := m.Needs(); err == nil {
			t.Errorf("%s: Needs gives %v", tt.name, n)
		}
	}
}

// RFC 8689 §3: one TLS-Required field, whoever asks for it.
func TestTLSRequiredOnce(t *testing.T) {
	for _, own := range []string{"", "TLS-Required", "tls-REQUIRED"} {
		m := base()
		m.TLSOptional = true
		if own != "" {
			m.OtherHeaders = []message.HeaderField{{Name: own, Value: "No"}}
		}
		n := 0
		for _, f := range unfold(t, written(t, &m)) {
			if strings.EqualFold(f.Name, "TLS-Required") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("own field %q: %d of them", own, n)
		}
	}
	m := base()
	m.OtherHeaders = []message.HeaderField{{Name: "TLS-Required", Value: "No"}, {Name: "tls-required", Value: "No"}}
	_, err := m.WriteTo(failingWriter{t})
	checkHeaderError(t, "two of one's own", err, "tls-required")
}

// failingWriter says that nothing may be written.
type failingWriter struct{ t *testing.T }

func (w failingWriter) Write(p []byte) (int, error) {
	w.t.Errorf("written: %q", p)
	return len(p), nil
}

func TestEnvelopeRules(t *testing.T) {
	m := base()
	m.Cc = message.MustParseAddressList("bob@B.example, Bob <bob@b.example>, BOB@b.example")
	m.Bcc = message.MustParseAddressList("postmaster, BOB@b.example, jörg@x")
	e, err := m.Envelope()
	if err != nil || e.ReversePath != alice.Path || !e.NeedsUTF8() {
		t.Fatalf("%+v, %v", e, err)
	}
	var got []string
	for _, r := range e.Recipients {
		got = append(got, r.Kind.String()+" "+r.Path.String())
	}
	if d := cmp.Diff([]string{"to bob@b.example", "cc BOB@b.example", "bcc postmaster", "bcc jörg@x"}, got); d != "" {
		t.Errorf("recipients:\n%s", d)
	}
	m.Sender = message.Address{Path: message.MustParsePath("ö@s.example")}
	if e, err := m.Envelope(); err != nil || e.ReversePath != m.Sender.Path || !e.NeedsUTF8() {
		t.Errorf("%+v, %v", e, err)
	}
	for name, set := range map[string]func(*message.Message){
		"From": func(m *message.Message) { m.From = nil },
		"To":   func(m *message.Message) { m.To = nil; m.Cc = bob },
		"Cc":   func(m *message.Message) { m.Cc = message.AddressList{message.Address{Name: "x"}} },
		"Bcc":  func(m *message.Message) { m.Bcc = message.AddressList{nil} },
	} {
		m := base()
		set(&m)
		_, err := m.Envelope()
		checkHeaderError(t, name, err, name)
	}
	m = base()
	m.To, m.AllowEmptyTo = nil, true
	_, err = m.Envelope()
	checkHeaderError(t, "no one at all", err, "To")
	m.Bcc = bob
	if e, err := m.Envelope(); err != nil || len(e.Recipients) != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	if got := value(t, written(t, &m), "To"); got != "undisclosed-recipients:;" {
		t.Errorf("To: %q", got)
	}
}

// decodeSubject reads encoded-words as another program would.
func decodeSubject(t testing.TB, v string) string {
	t.Helper()
	d := mime.WordDecoder{}
	s, err := d.DecodeHeader(v)
	if err != nil {
		t.Fatalf("%q: %v", v, err)
	}
	return s
}

var encodedWord = regexp.MustCompile(`^=\?[!-~]+\?[QB]\?[!->@-~]*\?=$`)

func TestEncodedWords(t *testing.T) {
	for _, subject := range []string{
		"Grüße", "ü", "plain", "=?utf-8?q?looks_like?=", " lead", "trail ", "a  b   c", strings.Repeat(" ", 200), strings.Repeat("😀", 500),
		strings.Repeat("ünd 日本語 x ", 300), "e\u0301", strings.Repeat("w", 2000), strings.Repeat("w", 790), "a\tb\tü", "?=_\"<>@,;:ü",
		strings.Repeat("word ", 1000) + "x",
	} {
		for _, limit := range []int{0, 40, 200, message.NoFolding} {
			m := base()
			m.Subject, m.Charset, m.MaxHeaderLength = subject, "utf-8", limit
			text := written(t, &m)
			v := value(t, text, "Subject")
			if got := decodeSubject(t, v); got != norm.NFC.String(subject) {
				t.Fatalf("%.60q is read as %.60q", subject, got)
			}
			head, _, _ := strings.Cut(text, "\r\n\r\n")
			for line := range strings.SplitSeq(head, "\r\n") {
				words := 0
				for w := range strings.FieldsSeq(line) {
					if strings.HasPrefix(w, "=?") {
						words++
						if len(w) > 75 || !encodedWord.MatchString(w) {
							t.Errorf("%.60q: encoded-word %q", subject, w)
						}
					}
				}
				if words > 0 && len(line) > 76 {
					t.Errorf("%.60q: line with an encoded-word %q", subject, line)
				}
				if limit == 0 && len(line) > 78 && strings.Contains(strings.TrimLeft(line[10:], " "), " ") {
					t.Errorf("%.60q: line could be folded %q", subject, line)
				}
			}
		}
	}
}

func TestWordsAreWholeCharacters(t *testing.T) {
	for _, charset := range []string{"UTF-8", "ISO-2022-JP", "GB18030", "Shift_JIS"} {
		m := base()
		m.Subject, m.Charset = strings.Repeat("日本語テスト", 40), charset
		for w := range strings.FieldsSeq(value(t, written(t, &m), "Subject")) {
			var d mime.WordDecoder
			d.CharsetReader = charsetReader
			if s, err := d.Decode(w); err != nil || strings.ContainsRune(s, utf8.RuneError) || len(w) > 75 {
				t.Errorf("%s: %q is %q, %v", charset, w, s, err)
			}
		}
	}
}

func TestPhraseEncoding(t *testing.T) {
	m := base()
	m.Charset = "UTF-8"
	m.From[0].Name = "Ü. Miller (x), of the same house by the river"
	m.To = message.AddressList{message.Group{Name: "Gröup", Members: []message.Address{{Name: "=?utf-8?q?x?=", Path: alice.Path}}}}
	text := written(t, &m)
	from := value(t, text, "From")
	inner, rest, _ := strings.Cut(strings.TrimPrefix(from, "=?UTF-8?Q?"), "?=")
	if !regexp.MustCompile(`^[A-Za-z0-9!*+/=_-]+$`).MatchString(inner) || rest != " <alice@a.example>" {
		t.Errorf("From: %q", from)
	}
	for _, name := range []string{"From", "To"} {
		list, err := message.ParseAddressList(value(t, text, name))
		want := message.Addresses(m.From...)
		if name == "To" {
			want = m.To
		}
		if d := cmp.Diff(want.String(), list.String()); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}

func TestRawUTF8Header(t *testing.T) {
	m := base()
	m.Subject = "e\u0301 = é"
	m.From[0] = message.Address{Name: "Jörg", Path: message.MustParsePath("jörg@bücher.example")}
	text := written(t, &m)
	if value(t, text, "Subject") != "é = é" || strings.Contains(text, "=?") || value(t, text, "From") != "Jörg <jörg@bücher.example>" {
		t.Errorf("%q", text)
	}
	n, err := m.Needs()
	if err != nil || n != (message.Needs{UTF8: true, Encoding: message.EightBit}) {
		t.Errorf("needs %+v, %v", n, err)
	}
}

func TestFolding(t *testing.T) {
	m := base()
	for range 50 {
		m.Cc = append(m.Cc, message.Address{Name: "A Name, With Comma", Path: message.MustParsePath(`"a b"@c.example`)})
	}
	m.OtherHeaders = []message.HeaderField{
		{Name: "X-Quoted", Value: strings.Repeat(`"a b c d e f g" `, 20) + `"x\" y"`},
		{Name: "X-Angles", Value: strings.Repeat("<a b c d e f> ", 20) + "end"},
		{Name: "X-Blank", Value: strings.Repeat(" ", 72)},
		{Name: "X-Empty", Value: ""},
	}
	text := written(t, &m)
	list, err := message.ParseAddressList(value(t, text, "Cc"))
	if err != nil || list.String() != m.Cc.String() {
		t.Errorf("Cc: %v %v", list, err)
	}
	for _, f := range m.OtherHeaders {
		if got := value(t, text, f.Name); got != f.Value {
			t.Errorf("%s: %q", f.Name, got)
		}
	}
	head, _, _ := strings.Cut(text, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if len(line) > 78 && !strings.HasPrefix(line, "X-Blank") {
			t.Errorf("line %q", line)
		}
		if strings.HasPrefix(line, "X-Quoted") && strings.Count(line, `"`)%2 != 0 || strings.HasPrefix(line, "X-Angles") && !strings.HasSuffix(line, ">") {
			t.Errorf("broken within %q", line)
		}
	}
	m.MaxHeaderLength = message.NoFolding
	m.Cc = m.Cc[:10]
	if head, err := m.HeaderString(); err != nil || strings.Contains(head, "\r\n ") {
		t.Errorf("folded: %q, %v", head, err)
	}
}

func FuzzHeader(f *testing.F) {
	// A header section is either refused with a typed error or has exactly the fields asked for, each reading back as it
	// was given, in lines of at most 998 octets; net/mail agrees.
	f.Add("Grüße", "Jörg, \"x\"", "X-Y", "a <b c> \"d e\"", 0)
	f.Add("a\r\nBcc: x@y", "a\x00", "X:", "\u2028", 30)
	f.Add(strings.Repeat("ab ", 100), "=?utf-8?q?x?=", "Comments", " x ", -1)
	f.Fuzz(func(t *testing.T, subject, name, field, val string, limit int) {
		m := base()
		m.Charset, m.MaxHeaderLength, m.Subject, m.From[0].Name = "UTF-8", limit, subject, name
		m.OtherHeaders = []message.HeaderField{{Name: field, Value: val}}
		var he *message.HeaderError
		head, err := m.HeaderString()
		if err != nil {
			if !errors.As(err, &he) {
				t.Fatalf("error %T %v", err, err)
			}
			return
		}
		text := head + "\r\n"
		fields := unfold(t, text)
		if want := 9; subject != "" && len(fields) != want && !strings.EqualFold(field, "MIME-Version") && !strings.HasPrefix(strings.ToLower(field), "content-t") {
			t.Fatalf("%d fields in %q", len(fields), text)
		}
		if subject != "" && decodeSubject(t, value(t, text, "Subject")) != norm.NFC.String(subject) {
			t.Fatalf("subject %q in %q", subject, text)
		}
		from, err := message.ParseAddress(value(t, text, "From"))
		if err != nil || from.Path != alice.Path || from.Name != norm.NFC.String(name) && strings.Trim(name, " \t") == name {
			t.Fatalf("name %q is read as %q, %v, of %q", name, from.Name, err, text)
		}
		if std, err := mail.ReadMessage(strings.NewReader(text)); err != nil || len(std.Header["Bcc"]) > 0 {
			t.Fatalf("net/mail: %v of %q", err, text)
		}
	})
}
