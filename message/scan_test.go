package message_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/message"
)

// naiveScan is the definition of Features, octet by octet.
func naiveScan(p []byte) message.Features {
	var f message.Features
	var line, head []byte
	body, crlf := false, false
	set := func(cond bool, flag *bool, at *int64) {
		if cond {
			*flag = true
			if *at == 0 {
				*at = f.Lines
			}
		}
	}
	var long bool
	end := func(ending string) {
		f.Lines++
		f.WireOctets += int64(len(line)) + 2
		f.LongestLine = max(f.LongestLine, len(line))
		set(ending == "\r", &f.BareCR, &f.First.BareCR)
		set(ending == "\n", &f.BareLF, &f.First.BareLF)
		set(bytes.IndexByte(line, 0) >= 0, &f.NUL, &f.First.NUL)
		set(bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }), &f.EightBit, &f.First.EightBit)
		set(len(line) > 998, &long, &f.First.Long)
		if !body {
			f.UTF8Header = f.UTF8Header || f.EightBit
			f.BadHeader = f.BadHeader || !utf8.Valid(line)
			f.MIME = f.MIME || len(line) >= 13 && strings.EqualFold(string(line[:13]), "MIME-Version:")
			if len(line) == 0 {
				body = true
			} else {
				head = append(append(head, line...), ending...)
			}
		}
		crlf = ending == "\r\n"
		line = nil
	}
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '\r' && i+1 < len(p) && p[i+1] == '\n':
			i++
			end("\r\n")
		case p[i] == '\r':
			end("\r")
		case p[i] == '\n':
			end("\n")
		default:
			line = append(line, p[i])
		}
	}
	if len(line) > 0 {
		end("")
	}
	f.Octets = int64(len(p))
	f.HeaderOctets = int64(len(head))
	f.FinalCRLF = len(p) == 0 || crlf
	return f
}

func TestScanExhaustive(t *testing.T) {
	const alphabet = "\r\na\x00\xC3\xA4"
	depth := 6
	if testing.Short() {
		depth = 5
	}
	var p []byte
	var walk func()
	walk = func() {
		want := naiveScan(p)
		if got := message.ScanBytes(p); got != want {
			t.Fatalf("%q:\n%s", p, cmp.Diff(want, got))
		}
		var s message.Scanner
		for i := range p {
			_, _ = s.Write(p[i : i+1])
		}
		if got := s.Features(); got != want {
			t.Fatalf("%q octet by octet:\n%s", p, cmp.Diff(want, got))
		}
		if len(p) == depth {
			return
		}
		for i := range len(alphabet) {
			p = append(p, alphabet[i])
			walk()
			p = p[:len(p)-1]
		}
	}
	walk()
}

func TestScanPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := []string{
		"\r\n", "\r\n", "\r", "\n", "Mime-Version: 1.0\r\n", "MIME-Version", "\r\n\r\n", "hello", "ü", "\xFF", "\x00", "\xE2\x82", "\xAC",
		strings.Repeat("x", 997), strings.Repeat("y", 40), strings.Repeat("z", 998),
	}
	for range 3000 {
		var p []byte
		for range rnd.IntN(12) {
			p = append(p, pieces[rnd.IntN(len(pieces))]...)
		}
		want := naiveScan(p)
		var s message.Scanner
		for rest := p; len(rest) > 0; {
			n := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(300)))
			_, _ = s.Write(rest[:n])
			_ = s.Features() // looking changes nothing
			rest = rest[n:]
		}
		if got := s.Features(); got != want {
			t.Fatalf("%.200q:\n%s", p, cmp.Diff(want, got))
		}
	}
}

func TestScanReader(t *testing.T) {
	content := "MIME-Version: 1.0\r\n\r\nb\xC3\xA4\nc"
	want := message.Features{
		Octets: 26, WireOctets: 29, Lines: 4, HeaderOctets: 19, LongestLine: 17, EightBit: true, BareLF: true, MIME: true,
		First: message.FirstLines{EightBit: 3, BareLF: 3},
	}
	for _, r := range []io.Reader{
		strings.NewReader(content), iotest.OneByteReader(strings.NewReader(content)), iotest.DataErrReader(strings.NewReader(content)),
	} {
		got, err := message.Scan(r)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	}
	if _, err := message.Scan(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error of the reader: %v", err)
	}
}

func TestFeaturesCheck(t *testing.T) {
	long := strings.Repeat("x", 999)
	for _, tt := range []struct {
		name, content string
		encoding      message.Encoding
		utf8          bool
		fault         message.Fault
		line          int64
		needs         message.Needs
	}{
		{"plain", "A: b\r\n\r\nc\r\n", message.SevenBit, false, message.FaultNone, 0, message.Needs{}},
		{"longest allowed", "\r\n" + long[1:] + "\r\n", message.SevenBit, false, message.FaultNone, 0, message.Needs{}},
		{"long", "\r\n\r\n" + long, message.EightBit, true, message.FaultLongLine, 3, message.Needs{Encoding: message.Binary}},
		{"long binary", "\r\n" + long, message.Binary, false, message.FaultNone, 0, message.Needs{Encoding: message.Binary}},
		{"NUL", "\r\na\x00\r\n", message.EightBit, false, message.FaultNUL, 2, message.Needs{Encoding: message.Binary}},
		{"8bit", "\r\na\r\nb\xFF\r\n", message.SevenBit, false, message.FaultEightBit, 3, message.Needs{Encoding: message.EightBit}},
		{"8bit allowed", "\r\nb\xFF\r\n", message.EightBit, false, message.FaultNone, 0, message.Needs{Encoding: message.EightBit}},
		{"header", "A: ü\r\n\r\n", message.EightBit, false, message.FaultUTF8Header, 0, message.Needs{Encoding: message.EightBit, UTF8: true}},
		{"header allowed", "A: ü\r\n\r\n", message.EightBit, true, message.FaultNone, 0, message.Needs{Encoding: message.EightBit, UTF8: true}},
		{"bad header", "A: \xFC\r\n\r\n", message.Binary, true, message.FaultBadHeader, 0, message.Needs{Encoding: message.EightBit, UTF8: true}},
		{"bare LF", "A: b\n\nc\n", message.SevenBit, false, message.FaultNone, 0, message.Needs{Encoding: message.Binary}},
	} {
		f := message.ScanBytes([]byte(tt.content))
		if n := f.Needs(); n != tt.needs {
			t.Errorf("%s: needs %+v, want %+v", tt.name, n, tt.needs)
		}
		checkFault(t, tt.name, f.Check(tt.encoding, tt.utf8), tt.fault, tt.line)
	}
	for _, tt := range []struct {
		content string
		fault   message.Fault
		line    int64
	}{
		{"a\r\nb\r\n", message.FaultNone, 0},
		{"a\r\nb\rc\nd", message.FaultBareCR, 2},
		{"a\r\nb\r\nc\nd\r", message.FaultBareLF, 3},
		{"a\r", message.FaultBareCR, 1},
	} {
		f := message.ScanBytes([]byte(tt.content))
		checkFault(t, tt.content, f.CheckLineEnds(), tt.fault, tt.line)
	}
}

func checkFault(t *testing.T, name string, err error, fault message.Fault, line int64) {
	t.Helper()
	if fault == message.FaultNone {
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		return
	}
	var e *message.ContentError
	if !errors.As(err, &e) || !errors.Is(err, fault) || errors.Is(err, message.FaultNone) || e.Line != line {
		t.Errorf("%q: %v; want %v in line %d", name, err, fault, line)
		return
	}
	if text := err.Error(); !strings.Contains(text, fault.Error()) || strings.ContainsAny(text, "\r\n\x00") {
		t.Errorf("%q: error %q", name, text)
	}
}

func TestNamesOfEnums(t *testing.T) {
	for want, got := range map[string]string{
		"8bit": message.EightBit.String(), "binary": message.Binary.String(), "Encoding(9)": message.Encoding(9).String(),
		"Fault(99)": message.Fault(99).Error(), "no fault": message.FaultNone.String(),
		"bcc": message.KindBcc.String(), "none": message.KindNone.String(), "RecipientKind(9)": message.RecipientKind(9).String(),
		"High": message.ImportanceHigh.String(), "Importance(9)": message.Importance(9).String(),
		"non-urgent": message.PriorityNonUrgent.String(), "Company-Confidential": message.SensitivityCompanyConfidential.String(),
	} {
		if got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
	for f := message.FaultNone; !strings.HasPrefix(f.String(), "Fault("); f++ {
		if f.String() == "" {
			t.Errorf("fault %d has no text", f)
		}
	}
}

func TestScanAllocs(t *testing.T) {
	content := bytes.Repeat([]byte("A line of a body that is all ASCII, as most are.\r\n"), 1000)
	if n := testing.AllocsPerRun(20, func() { _ = message.ScanBytes(content) }); n > 4 {
		t.Errorf("ScanBytes: %v allocations", n)
	}
}

func FuzzScan(f *testing.F) {
	// The features do not depend on how the content is cut, and are those of the definition.
	f.Add([]byte("A: b\r\n\r\nc\r"), 3)
	f.Add([]byte("MIME-Version: \xC3\xA4\n\n\x00"), 1)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		want := naiveScan(p)
		var s message.Scanner
		if cut < 0 || cut > len(p) {
			cut = len(p) / 2
		}
		_, _ = s.Write(p[:cut])
		_, _ = s.Write(p[cut:])
		if got := s.Features(); got != want {
			t.Fatalf("%q cut at %d:\n%s", p, cut, cmp.Diff(want, got))
		}
	})
}
