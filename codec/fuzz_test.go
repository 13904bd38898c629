package codec_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-mail/parley/codec"
)

// FuzzReply: how a stream is cut up changes nothing, nor do the decoder's short ways; what the strict profile takes, the
// lenient one takes as the same; a reply prints as one printable line, and written out
// again it is read as itself.
func FuzzReply(f *testing.F) {
	for i, row := range rows {
		f.Add([]byte(row.stream), uint16(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) {
		limits := codec.Limits{Line: 64, Reply: 256, Lines: 8}
		read := func(strict bool, pieces ...[]byte) outcome {
			d := new(codec.Decoder)
			d.Reset(limits, strict)
			return decode(d, pieces...)
		}
		at := min(int(cut), len(stream))
		for _, strict := range []bool{false, true} {
			want := read(strict, stream)
			if diff := cmp.Diff(want, read(strict, stream[:at], stream[at:])) + cmp.Diff(want, read(strict, bytes.SplitAfter(stream, nil)...)); diff != "" {
				t.Fatalf("strict %t:\n%s", strict, diff)
			}
			for i, r := range want.Replies {
				if line, _, _ := strings.Cut(r, "|"); strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }) {
					t.Fatalf("reply %d is not printable: %q", i, line)
				}
			}
			replies := readAll(limits, strict, stream)
			if long := readLong(limits, strict, stream); !cmp.Equal(long, replies) {
				t.Fatalf("strict %t, the short ways make a difference:\n%s", strict, cmp.Diff(long, replies))
			}
			if diff := cmp.Diff(replies, readAll(codec.Limits{}, false, written(replies)), withoutAnomalies); diff != "" {
				t.Fatalf("strict %t, written again:\n%s", strict, diff)
			}
		}
		if got, most := read(true, stream).Replies, read(false, stream).Replies; len(got) > len(most) || !slices.Equal(got, most[:len(got)]) {
			t.Fatalf("strict %q, lenient %q", got, most)
		}
	})
}

var withoutAnomalies = cmpopts.IgnoreFields(codec.Reply{}, "Anomalies")

func readAll(limits codec.Limits, strict bool, stream []byte) []codec.Reply {
	return readBy((*codec.Decoder).Next, limits, strict, stream)
}

func readLong(limits codec.Limits, strict bool, stream []byte) []codec.Reply {
	return readBy((*codec.Decoder).NextLong, limits, strict, stream)
}

func readBy(next func(*codec.Decoder) (*codec.Reply, error), limits codec.Limits, strict bool, stream []byte) (replies []codec.Reply) {
	var d codec.Decoder
	d.Reset(limits, strict)
	d.Feed(stream)
	for r, _ := next(&d); r != nil; r, _ = next(&d) {
		replies = append(replies, r.Clone())
	}
	return replies
}

// written returns replies as a server of good manners would send them.
func written(replies []codec.Reply) (stream []byte) {
	for _, r := range replies {
		for i, line := range r.Lines {
			sep := "-"
			if i == len(r.Lines)-1 {
				sep = " "
			}
			stream = append(stream, itoa(r.Code)+sep+string(line)+"\r\n"...)
		}
	}
	return stream
}

// FuzzEhlo: what is kept is bounded and printable, means the same without regard to
// case, and holds together.
func FuzzEhlo(f *testing.F) {
	f.Add([]byte(ehloReply))
	f.Add([]byte(ehlo("a", "AUTH=LOGIN PLAIN", "AUTH cram-md5", "SIZE 99999999999999999999", "", "X-EXPS=LOGIN")))
	f.Add([]byte(ehlo("a", "LIMITS MAILMAX=5 RCPTMAX=0", "DELIVERBY 240", "FUTURERELEASE 1 2026-12-01T00:00:00Z", "MT-PRIORITY MIXER", "BINARYMIME")))
	f.Fuzz(func(t *testing.T, stream []byte) {
		read := func(stream []byte) (x codec.Extensions) {
			var d codec.Decoder
			d.Feed(stream)
			r, _ := d.Next()
			x.Parse(r)
			return x
		}
		x := read(stream)
		if len(x.Keywords) > 128+19 || len(x.Auth) > 64 || len(x.Domain) > 255 || x.MaxSize < 0 || x.RcptMax < 0 || x.RcptMax > 999999 ||
			x.BinaryMIME && !x.Chunking || x.MaxSize > 0 && !x.Size || x.RcptMax > 0 && !x.Limits {
			t.Fatalf("%+v", x)
		}
		for _, k := range x.Keywords {
			if !x.Has(strings.ToLower(k.Name)) || k.Name != strings.ToUpper(k.Name) || strings.ContainsFunc(k.Name, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
				t.Fatalf("%+v", k)
			}
		}
		for _, mech := range x.Auth {
			if _, err := codec.AppendAuth(nil, mech, nil, false); err != nil {
				t.Fatalf("%q: %v", mech, err)
			}
		}
		y := read(upper(stream))
		if y.Domain, y.MaxHoldUntil, y.MTPriorityProfile, y.Keywords = x.Domain, x.MaxHoldUntil, x.MTPriorityProfile, x.Keywords; !cmp.Equal(x, y) {
			t.Fatal(cmp.Diff(x, y))
		}
	})
}

// upper turns ASCII letters into capitals and leaves all else alone.
func upper(p []byte) []byte {
	p = bytes.Clone(p)
	for i, c := range p {
		if c >= 'a' && c <= 'z' {
			p[i] = c - 'a' + 'A'
		}
	}
	return p
}

// FuzzStuff: both filters, in both modes and both forms, however the content is cut, do
// what the oracle does; and a receiver that looks only for CRLF "." CRLF gets the
// content back, whole, whatever it is itself made of.
func FuzzStuff(f *testing.F) {
	for i, c := range contents {
		f.Add([]byte(c), uint16(i), uint16(2*i))
	}
	f.Fuzz(func(t *testing.T, content []byte, first, second uint16) {
		a := min(int(first), len(content))
		b := min(a+int(second), len(content))
		checkFilter(t, content[:a], content[a:b], content[b:])

		var whole, cut codec.Unstuffer
		want, n := whole.Append(nil, content)
		got, m := cut.Append(nil, content[:a])
		if m == a {
			var k int
			got, k = cut.Append(got, content[a:])
			m += k
		}
		if !bytes.Equal(got, want) || m != n || whole.Done() != cut.Done() || !cmp.Equal(whole.Bare(), cut.Bare()) {
			t.Fatalf("%q, cut at %d: %q, %d octets; whole %q, %d octets", content, a, got, m, want, n)
		}
	})
}

// FuzzCommand: whatever is put into a command, there comes one line of that command or
// an error.
func FuzzCommand(f *testing.F) {
	for i, s := range attacks {
		f.Add(uint8(i), s, i&1 == 0)
	}
	f.Fuzz(func(t *testing.T, which uint8, s string, utf8 bool) {
		checkArgument(t, arguments[int(which)%len(arguments)], s, utf8)
	})
}
