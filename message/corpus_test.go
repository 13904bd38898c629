package message_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"

	"github.com/parley-mail/parley/message"
)

// The corpus: messages drawn at random, but always the same, with what a reader must find in them. It is read back by the
// standard library, by Python's email package and, behind the tag interop, by Perl's MIME::Parser.

const corpusSize = 300

// reading is what a reader finds in a message; the programs in testdata print it as JSON.
type reading struct {
	Subject, Date, MessageID, Extra string

	From, To, Cc []string // "name|address"
	Parts        []leaf
}

// leaf is a part that is no multipart.
type leaf struct {
	Type, Charset, Filename, Disposition, ContentID string

	SHA256 string // of the decoded body, in texts with LF as line ends; of a message its subject, as it is
}

// sample is a message of the corpus. Its wish is not complete before it is composed: the text parts follow.
type sample struct {
	message message.Message
	want    reading
}

// drawer draws the parts of messages.
type drawer struct{ *rand.Rand }

func pick[T any](d drawer, list ...T) T { return list[d.IntN(len(list))] }

func (d drawer) words(n int, from ...string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(pick(d, from...))
	}
	return b.String()
}

var (
	asciiWords = []string{"a", "word", "of", "Mail", "x=y", "(paren)", "<angle>", "comma,", "\"quote\"", "semi;", "back\\slash", "100%", "=?", "?=", "dot.", strings.Repeat("long", 40)}
	wideWords  = []string{"Grüße", "über", "naïve", "word", "façade", "é", "½", "of"}
	worldWords = []string{"日本語", "Привет", "😀", "ไทย", "שלום", "e\u0301", "word", "👩‍👩‍👧", "Ω"}
)

func (d drawer) address(words []string) message.Address {
	a := message.Address{Path: message.MustParsePath(pick(d, "user@b.example", "first.last+tag@mail.b.example", `"with space"@b.example`,
		`"a@b,c;<d>"@b.example`, "u@[192.0.2.1]", "u@bücher.example", strings.Repeat("l", 64)+"@"+strings.Repeat("d", 60)+".example"))}
	if d.IntN(4) > 0 {
		a.Name = d.words(1+d.IntN(6), words...)
	}
	return a
}

func (d drawer) list(words []string) message.AddressList {
	var list message.AddressList
	for range 1 + d.IntN(5) {
		list = append(list, d.address(words))
	}
	if d.IntN(4) == 0 {
		list = append(list, message.Group{Name: d.words(2, words...), Members: []message.Address{d.address(words), d.address(words)}})
	}
	return list
}

// text draws a body, and returns it with LF line ends too.
func (d drawer) text(words []string) (text, lf string) {
	var b strings.Builder
	for range d.IntN(8) {
		b.WriteString(pick(d, "", ".", "..", "From me", "--", "trailing \t", d.words(d.IntN(12), words...), d.words(d.IntN(300), words...)))
		b.WriteString(pick(d, "\n", "\r\n", "\r\n", "\n\n"))
	}
	b.WriteString(pick(d, "", "no line end", "-- \nsignature\n"))
	return b.String(), strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func (d drawer) octets() []byte {
	p := make([]byte, pick(d, 0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 1000, 57*64-1, 57*64, 57*64+1, 20000))
	alphabet := pick(d, "\x00\x01\xFF\r\n.-=", "abc \r\n", "")
	for i := range p {
		if p[i] = byte(d.Uint32()); alphabet != "" {
			p[i] = alphabet[int(p[i])%len(alphabet)]
		}
	}
	return p
}

func sum(p []byte) string {
	h := sha256.Sum256(p)
	return hex.EncodeToString(h[:])
}

func people(list message.AddressList) []string {
	var all []string
	for _, a := range list.Addresses() {
		all = append(all, norm.NFC.String(a.Name)+"|"+a.Path.String())
	}
	return all
}

// draw makes the i-th message of the corpus.
func draw(i int) sample {
	d := drawer{rand.New(rand.NewPCG(uint64(i), 1))}
	charset, page, words := "UTF-8", 0, worldWords
	switch i % 8 {
	case 1, 2:
		charset, page, words = "ISO-8859-1", 28591, wideWords
	case 3:
		charset, words = "", asciiWords[:7] // of what needs no encoding
	case 4:
		charset, page, words = "ISO-2022-JP", 50220, []string{"日本語", "テスト", "word", "（全角）"}
	case 5:
		words = asciiWords
	}
	m := message.Message{
		From: []message.Address{d.address(words)}, To: d.list(words), Bcc: message.MustParseAddressList("Secret <bcc-secret@x.example>"),
		Subject: d.words(1+d.IntN(pick(d, 4, 40)), words...),
		Date:    time.Unix(d.Int64N(4e9), 0).In(time.FixedZone("", 900*(d.IntN(100)-48))),
		Charset: charset, CodePage: page, MaxHeaderLength: pick(d, 0, 0, 40, 120, message.NoFolding),
		Encoding:     pick(d, message.SevenBit, message.SevenBit, message.EightBit, message.Binary),
		OtherHeaders: []message.HeaderField{{Name: "X-Corpus", Value: strings.TrimSpace(d.words(1+d.IntN(30), "some", "<plain text>", `"in quotes"`, "x"))}},
		Rand:         bytes.NewReader([]byte(fmt.Sprintf("%4096d", i))),
	}
	if d.IntN(2) == 0 {
		m.Cc = d.list(words)
	}
	want := reading{Subject: norm.NFC.String(m.Subject), Date: m.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"), Extra: m.OtherHeaders[0].Value}
	want.From, want.To, want.Cc = people(message.Addresses(m.From...)), people(m.To), people(m.Cc)
	m.MessageID = fmt.Sprintf("corpus-%d@x.example", i)
	want.MessageID = "<" + m.MessageID + ">"

	alone := d.IntN(3) == 0 // a text and nothing else
	m.Text, want.Parts = d.part(want.Parts, "text/plain", words, page, alone)
	if alone {
		return sample{m, want}
	}
	if d.IntN(2) == 0 {
		m.HTML, want.Parts = d.part(want.Parts, "text/html", words, page, false)
	}
	if m.HTML != "" && d.IntN(2) == 0 {
		p := d.octets()
		m.Attachments = append(m.Attachments, message.Attachment{Name: "logo.gif", Type: "image/gif", ContentID: "logo@x.example", Inline: true, Content: message.FromBytes(p)})
		want.Parts = append(want.Parts, leaf{Type: "image/gif", Filename: "logo.gif", Disposition: "inline", ContentID: "<logo@x.example>", SHA256: sum(p)})
	}
	for range 1 + d.IntN(3) {
		name := pick(d, "plain.bin", "with space.bin", "käse.bin", "日本語 "+strings.Repeat("長い", 40)+".bin", `quo"te\s;=.bin`, strings.Repeat("n", 200)+".bin", "")
		p := d.octets()
		a := message.Attachment{Name: name, Type: "application/x-corpus", Content: message.FromBytes(p)}
		l := leaf{Type: a.Type, Filename: name, Disposition: "attachment", SHA256: sum(p)}
		switch d.IntN(4) {
		case 0:
			a.Content = message.FromReaderAt(bytes.NewReader(p), int64(len(p)))
		case 1:
			a.Type, l.Type, l.SHA256 = "message/rfc822", "message/rfc822", "inner "+m.MessageID
			a.Content = message.FromBytes([]byte("From: a@x.example\nSubject: " + l.SHA256 + "\n\nhello\n"))
		}
		m.Attachments = append(m.Attachments, a)
		want.Parts = append(want.Parts, l)
	}
	return sample{m, want}
}

// part draws a text and adds what is to be found of it to parts; a text that is empty makes no part beside others.
func (d drawer) part(parts []leaf, mediaType string, words []string, page int, alone bool) (string, []leaf) {
	text, lf := d.text(words)
	if alone { // the end of the message is a line end in any case
		text, lf = text+"\n", lf+"\n"
	}
	l := leaf{Type: mediaType, Charset: "us-ascii"}
	octets := lf
	if strings.ContainsFunc(text, func(r rune) bool { return r > 126 }) {
		l.Charset = map[int]string{0: "utf-8", 28591: "iso-8859-1", 50220: "iso-2022-jp"}[page]
		octets = inCharset(l.Charset, lf)
	}
	l.SHA256 = sum([]byte(octets))
	if text == "" && !alone {
		return "", parts
	}
	return text, append(parts, l)
}

func TestCorpus(t *testing.T) {
	for i := range corpusSize {
		s := draw(i)
		text := checkForetold(t, &s.message)
		if strings.Contains(text, "bcc-secret") {
			t.Errorf("%d: Bcc is in %.2000q", i, text)
		}
		if d := cmp.Diff(s.want, read(t, text)); d != "" {
			t.Errorf("%d: net/mail and mime/multipart read\n%s\nof %.3000q", i, d, text)
		}
		if f := message.ScanBytes([]byte(text)); f.UTF8Header {
			t.Errorf("%d: header section beyond ASCII: %.2000q", i, text)
		}
	}
}

// read reads a message by means of the standard library.
func read(t *testing.T, text string) reading {
	head, e := parse(t, text)
	words := mime.WordDecoder{CharsetReader: charsetReader}
	subject, err := words.DecodeHeader(value(t, text, "Subject"))
	if err != nil {
		t.Error(err)
	}
	r := reading{Subject: subject, Date: head.Get("Date"), MessageID: head.Get("Message-Id"), Extra: value(t, text, "X-Corpus")}
	parser := mail.AddressParser{WordDecoder: &words}
	for name, list := range map[string]*[]string{"From": &r.From, "To": &r.To, "Cc": &r.Cc} {
		if head.Get(name) == "" {
			continue
		}
		addresses, err := parser.ParseList(value(t, text, name))
		if err != nil {
			t.Errorf("%s: %v", value(t, text, name), err)
		}
		for _, a := range addresses { // net/mail drops quotes
			at := strings.LastIndexByte(a.Address, '@')
			path, err := message.NewPath(a.Address[:at], a.Address[at+1:])
			if err != nil {
				t.Error(err)
			}
			*list = append(*list, a.Name+"|"+path.String())
		}
	}
	var walk func(e entity)
	walk = func(e entity) {
		if strings.HasPrefix(e.Type, "multipart/") {
			for _, p := range e.Parts {
				walk(p)
			}
			return
		}
		l := leaf{Type: e.Type, Charset: strings.ToLower(e.Charset), Filename: e.Filename, Disposition: e.Disposition, ContentID: e.ContentID}
		switch {
		case e.Type == "message/rfc822":
			inner, err := mail.ReadMessage(strings.NewReader(e.Body))
			if err != nil {
				t.Fatal(err)
			}
			l.SHA256 = inner.Header.Get("Subject")
		case strings.HasPrefix(e.Type, "text/"):
			l.SHA256 = sum([]byte(strings.ReplaceAll(e.Body, "\r\n", "\n")))
		default:
			l.SHA256 = sum([]byte(e.Body))
		}
		r.Parts = append(r.Parts, l)
	}
	walk(e)
	return r
}

func TestCorpusPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3:", err)
	}
	checkCorpus(t, func(s *sample) {
		for _, list := range [][]string{s.want.From, s.want.To, s.want.Cc} {
			for i := range list { // older versions keep the space between two encoded-words of a name
				name, address, _ := strings.Cut(list[i], "|")
				list[i] = strings.ReplaceAll(name, " ", "") + "|" + address
			}
		}
	}, python, "testdata/check_email.py")
}

// checkCorpus has a program read the corpus and compares what it finds; fit takes out of a sample what the program cannot read.
func checkCorpus(t *testing.T, fit func(*sample), program ...string) {
	dir := t.TempDir()
	var want []reading
	var texts []string
	for i := range corpusSize {
		s := draw(i)
		fit(&s)
		want, texts = append(want, s.want), append(texts, written(t, &s.message))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.eml", i)), []byte(texts[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program[0], append(program[1:], dir)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", program, err, errs.String())
	}
	found := json.NewDecoder(bytes.NewReader(out))
	for i := range corpusSize {
		var got reading
		if err := found.Decode(&got); err != nil {
			t.Fatalf("%v at message %d: %v\n%s", program, i, err, errs.String())
		}
		if d := cmp.Diff(want[i], got); d != "" {
			t.Errorf("message %d: %v reads\n%s\nof %.2500q", i, program, d, texts[i])
		}
	}
}
