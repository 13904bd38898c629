package codec_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/codec"
)

// naive is the oracle: one octet at a time, whole content in memory. It returns what
// goes to the wire, terminator included, or the first bare octet.
func naive(content []byte, mode codec.LineEnds, dots bool) ([]byte, *codec.LineEndError) {
	var wire []byte
	line, start := int64(1), true
	for i := 0; i < len(content); i++ {
		c := content[i]
		switch {
		case c == '\r' && i+1 < len(content) && content[i+1] == '\n':
			i++
			wire = append(wire, "\r\n"...)
			line, start = line+1, true
		case c == '\r' || c == '\n':
			if mode == codec.Refuse {
				return wire, &codec.LineEndError{Octet: c, Line: line, Offset: int64(i)}
			}
			wire = append(wire, "\r\n"...)
			line, start = line+1, true
		case c == '.' && start && dots:
			wire = append(wire, ".."...)
			start = false
		default:
			wire = append(wire, c)
			start = false
		}
	}
	if !start {
		wire = append(wire, "\r\n"...)
	}
	if dots {
		wire = append(wire, ".\r\n"...)
	}
	return wire, nil
}

// filter is what Stuffer and Normalizer have in common.
type filter interface {
	Reset(codec.LineEnds)
	Append(dst, src []byte) ([]byte, error)
	Segments(dst [][]byte, src []byte) ([][]byte, error)
	End(dst []byte) ([]byte, error)
	Lines() int64
	Content() int64
}

// run puts pieces through a filter, in one of its two forms, to the end.
func run(f filter, mode codec.LineEnds, vector bool, pieces ...[]byte) ([]byte, error) {
	f.Reset(mode)
	var wire []byte
	var err error
	for _, p := range pieces {
		if vector {
			var segments [][]byte
			segments, err = f.Segments(nil, p)
			if slices.ContainsFunc(segments, func(s []byte) bool { return len(s) == 0 }) {
				return wire, errors.New("an empty segment")
			}
			wire = append(wire, bytes.Join(segments, nil)...)
		} else {
			wire, err = f.Append(wire, p)
		}
		if err != nil {
			return wire, err
		}
	}
	return f.End(wire)
}

// checkFilter compares a filter with the oracle in both modes and both forms.
func checkFilter(t *testing.T, pieces ...[]byte) {
	t.Helper()
	content := bytes.Join(pieces, nil)
	for _, dots := range []bool{true, false} {
		for _, mode := range []codec.LineEnds{codec.Normalize, codec.Refuse} {
			want, wantErr := naive(content, mode, dots)
			for _, vector := range []bool{false, true} {
				var f filter = new(codec.Normalizer)
				if dots {
					f = new(codec.Stuffer)
				}
				got, err := run(f, mode, vector, pieces...)
				var bare *codec.LineEndError
				switch {
				case wantErr == nil && err != nil, wantErr != nil && !errors.As(err, &bare):
					t.Fatalf("dots %t, %v, vector %t, %q: error %v, want %v", dots, mode, vector, pieces, err, wantErr)
				case wantErr != nil && *bare != *wantErr:
					t.Fatalf("dots %t, %v, vector %t, %q: error %v, want %v", dots, mode, vector, pieces, err, wantErr)
				case !bytes.Equal(got, want):
					t.Fatalf("dots %t, %v, vector %t, %q:\n got %q\nwant %q", dots, mode, vector, pieces, got, want)
				}
				if wantErr != nil {
					continue
				}
				lines := bytes.Count(want, []byte("\n"))
				octets := len(want)
				if dots {
					lines--
					octets = len(unstuffed(t, want))
				}
				if f.Lines() != int64(lines) || f.Content() != int64(octets) {
					t.Fatalf("%q: %d lines, %d octets; want %d, %d", pieces, f.Lines(), f.Content(), lines, octets)
				}
			}
		}
	}
}

// unstuffed gives back the content of a wire image, which must end exactly there.
func unstuffed(t *testing.T, wire []byte) []byte {
	t.Helper()
	var u codec.Unstuffer
	content, n := u.Append(nil, wire)
	if !u.Done() || n != len(wire) || u.Bare() != nil {
		t.Fatalf("%q: done %t, %d octets taken, bare %v", wire, u.Done(), n, u.Bare())
	}
	return content
}

// Seed family S-EOD.
var contents = []string{
	"", ".", "..", ".x", "x", "\r\n", ".\r\n", "..\r\n", "\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n..\r\n.b",
	"abc", "abc\r\n", "abc\r\n\r\n", "\r", "\n", "\r\r", "\n\n", "\n\r", "\r\r\n", "\r\n\r", "\r\n\n", "\n\r\n",
	"\n.\n", "\r.\r", "\n.\r\n", "\r\n.\r", "\r\n.\n", "\r\n.\r\nMAIL FROM:<a@b>\r\n", "\r.\r\n", "\n.\r", ".\r", ".\n", ".\r.", "a\r\n.\r.\r\n",
	"a\rb\nc\r\nd", "a\r\n\r\r\n.\n.", "x\r\n.\r\n.\r\n", "\x00\r\n.\x00",
	strings.Repeat("x", 999) + "\r\n." + strings.Repeat("y", 1200), // lines over 998 octets
}

func TestStuff(t *testing.T) {
	for _, c := range contents {
		content := []byte(c)
		checkFilter(t, content)
		for i := range content {
			checkFilter(t, content[:i], content[i:])
		}
		if len(content) < 100 {
			checkFilter(t, bytes.SplitAfter(content, nil)...)
		}
	}
}

// All contents of up to seven octets out of the four that matter, whole and octet by
// octet.
func TestStuffExhaustive(t *testing.T) {
	const alphabet = "\r\n.x"
	content := make([]byte, 0, 7)
	var try func()
	try = func() {
		checkFilter(t, content)
		checkFilter(t, bytes.SplitAfter(content, nil)...)
		if len(content) == cap(content) {
			return
		}
		for i := range len(alphabet) {
			content = append(content, alphabet[i])
			try()
			content = content[:len(content)-1]
		}
	}
	if testing.Short() {
		content = content[:0:5]
	}
	try()
}

// Contents longer than what the scanner looks at in one step, with something odd at
// each side of the border.
func TestStuffBlocks(t *testing.T) {
	const block = 16 << 10
	line := strings.Repeat("x", 62) + "\r\n" // 64 octets: a block ends with a line
	for _, odd := range []string{"", "\r", "\n", ".", "\r\n", "\r\n.", "\n.", "\r.", ".\r\n", "\r\r\n", "a\rb\rc\rd\r"} {
		for shift := -3; shift <= 3; shift++ {
			content := []byte(strings.Repeat(line, block/len(line)*2+1))
			at := block + shift
			content = append(content[:at:at], append([]byte(odd), content[at:]...)...)
			checkFilter(t, content)
			checkFilter(t, content[:at], content[at:])
		}
	}
	checkFilter(t, bytes.Repeat([]byte("\r"), block+1))
	checkFilter(t, bytes.Repeat([]byte("\n"), block+1))
	checkFilter(t, bytes.Repeat([]byte("."), block+1))
	checkFilter(t, bytes.Repeat([]byte("x"), block), []byte("\n"))
}

// Lines of one length, but for some: the scanner guesses, and must notice where it was
// wrong, above all where a guess jumps over a whole line.
func TestStuffGuesses(t *testing.T) {
	for short := range 6 {
		for odd := range 6 {
			line := strings.Repeat("x", short+odd) + "\r\n"
			for _, trap := range []string{
				strings.Repeat("y", odd) + "\r\n" + strings.Repeat("z", max(short-2, 0)) + "\r\n",
				strings.Repeat("y", odd) + "\r\n." + strings.Repeat("z", max(short-3, 0)) + "\r\n",
				strings.Repeat("y", odd) + "\r" + strings.Repeat("z", max(short-1, 0)) + "\r\n",
				strings.Repeat("y", odd) + "\n" + strings.Repeat("z", max(short-1, 0)) + "\r\n",
			} {
				checkFilter(t, []byte(strings.Repeat(line, 3)+trap+strings.Repeat("."+line, 3)))
			}
		}
	}
}

func TestStuffEnded(t *testing.T) {
	var s codec.Stuffer
	wire, err := s.Append([]byte("DATA\r\n"), []byte(".a"))
	if err != nil {
		t.Fatal(err)
	}
	if wire, err = s.End(wire); err != nil || string(wire) != "DATA\r\n..a\r\n.\r\n" {
		t.Errorf("%q, %v", wire, err)
	}
	if _, err := s.Append(nil, []byte("more")); !errors.Is(err, codec.ErrEnded) {
		t.Errorf("content behind the end: %v", err)
	}
	if wire, err := s.End(nil); len(wire) > 0 || !errors.Is(err, codec.ErrEnded) {
		t.Errorf("second end: %q, %v", wire, err)
	}
	s.Reset(codec.Refuse)
	if wire, err := s.End(nil); err != nil || string(wire) != ".\r\n" {
		t.Errorf("empty content: %q, %v", wire, err)
	}
}

// After a refusal no terminator can be had: the message cannot pass for a whole one.
func TestStuffRefusal(t *testing.T) {
	var s codec.Stuffer
	s.Reset(codec.Refuse)
	dst, err := s.Append(nil, []byte("one\r\ntwo\nthree\r\n"))
	const want = "codec: bare LF in line 2 of the content, at offset 8 (RFC 5321 §2.3.8)"
	if err == nil || err.Error() != want || string(dst) != "one\r\ntwo" {
		t.Errorf("%q, %v", dst, err)
	}
	if _, again := s.Append(nil, []byte("x")); again != err {
		t.Errorf("Append: %v", again)
	}
	if _, again := s.Segments(nil, []byte("x")); again != err {
		t.Errorf("Segments: %v", again)
	}
	if dst, again := s.End(nil); again != err || len(dst) > 0 {
		t.Errorf("End: %q, %v", dst, again)
	}
}

// Segments does not copy: what is not a shared constant is inside src.
func TestSegmentsShareMemory(t *testing.T) {
	src := []byte("one\r\n.two\r\nthree")
	var s codec.Stuffer
	segments, err := s.Segments(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	src[0], src[6] = 'O', 'T' // seen through the segments
	got := make([]string, len(segments))
	for i, p := range segments {
		got[i] = string(p)
	}
	if diff := cmp.Diff([]string{"One\r\n.", ".Two\r\nthree"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLineEndsString(t *testing.T) {
	if got := codec.Normalize.String() + " " + codec.Refuse.String() + " " + codec.LineEnds(9).String(); got != "normalize refuse line-ends(9)" {
		t.Error(got)
	}
}

func TestUnstuff(t *testing.T) {
	tests := []struct {
		name, wire, content, rest string
		bare                      *codec.LineEndError
		done                      bool
	}{
		{"empty", ".\r\nQUIT\r\n", "", "QUIT\r\n", nil, true},
		{"plain", "a\r\nb\r\n.\r\n", "a\r\nb\r\n", "", nil, true},
		{"periods", "..\r\n...\r\n..x\r\n.\r\n", ".\r\n..\r\n.x\r\n", "", nil, true},
		{"period with text", ".x\r\n.\r\n", "x\r\n", "", nil, true},
		{"unfinished", "a\r\n.\r", "a\r\n", "", nil, false},
		{"LF . LF", "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", "", &codec.LineEndError{Octet: '\n', Line: 1, Offset: 1}, true},
		{"LF . CRLF", "a\r\nb\n.\r\nc\r\n.\r\n", "a\r\nb\n.\r\nc\r\n", "", &codec.LineEndError{Octet: '\n', Line: 2, Offset: 4}, true},
		{"CRLF . LF", "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", "", &codec.LineEndError{Octet: '\n', Line: 2, Offset: 4}, true},
		{"CRLF . CR", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "", &codec.LineEndError{Octet: '\r', Line: 2, Offset: 4}, true},
		{"CR . CR", "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", "", &codec.LineEndError{Octet: '\r', Line: 1, Offset: 1}, true},
		{"CRLF . CR CRLF", "\r\n.\r\r\n.\r\n", "\r\n\r\r\n", "", &codec.LineEndError{Octet: '\r', Line: 2, Offset: 3}, true},
		{"CR CRLF", "a\r\r\n.\r\n", "a\r\r\n", "", &codec.LineEndError{Octet: '\r', Line: 1, Offset: 1}, true},
		{"LF first", "\n.\r\n.\r\n", "\n.\r\n", "", &codec.LineEndError{Octet: '\n', Line: 1, Offset: 0}, true},
	}
	for _, test := range tests {
		wire := []byte(test.wire)
		for i := range len(wire) + 1 {
			var u codec.Unstuffer
			content, n := u.Append(nil, wire[:i])
			content, m := u.Append(content, wire[min(n, i):])
			if string(content) != test.content || string(wire[n+m:]) != test.rest || u.Done() != test.done {
				t.Errorf("%s, split at %d: %q, rest %q, done %t", test.name, i, content, wire[n+m:], u.Done())
			}
			if diff := cmp.Diff(test.bare, u.Bare()); diff != "" {
				t.Errorf("%s, split at %d:\n%s", test.name, i, diff)
			}
			u.Reset()
			if u.Done() || u.Bare() != nil {
				t.Errorf("%s: Reset forgets nothing", test.name)
			}
		}
	}
}
