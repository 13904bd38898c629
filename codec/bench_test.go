package codec_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parley-mail/parley/codec"
)

const (
	oneLine    = "250 2.1.5 Ok\r\n"
	threeLines = "550-5.7.1 Our system has detected that this message is\r\n550-5.7.1 likely unsolicited mail.\r\n550 5.7.1 192.0.2.1 - gsmtp\r\n"
	ehloReply  = "250-mail.example at your service\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n250-AUTH LOGIN PLAIN XOAUTH2 SCRAM-SHA-256\r\n" +
		"250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-DSN\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"
)

func BenchmarkDecoder(b *testing.B) {
	for _, bench := range []struct{ name, stream string }{
		{"1line", oneLine}, {"3lines", threeLines}, {"ehlo", ehloReply},
	} {
		b.Run(bench.name, func(b *testing.B) {
			stream := []byte(bench.stream)
			var d codec.Decoder
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				d.Feed(stream)
				if r, err := d.Next(); r == nil || err != nil {
					b.Fatal(r, err)
				}
			}
		})
	}
}

func BenchmarkExtensions(b *testing.B) {
	var d codec.Decoder
	d.Feed([]byte(ehloReply))
	r, err := d.Next()
	if err != nil {
		b.Fatal(err)
	}
	var x codec.Extensions
	b.ReportAllocs()
	for b.Loop() {
		x.Parse(r)
	}
}

// Content of 1 MiB: lines of 76 octets, the same with a period at each start, lines of
// random length of which one in ten begins with a period; and 4 KiB of these.
var benchContents = []struct {
	name    string
	content []byte
}{
	{"lines", fill(strings.Repeat("x", 76) + "\r\n")},
	{"dots", fill("." + strings.Repeat("x", 75) + "\r\n")},
	{"mixed", fill(mixedLines())},
	{"short", fill(".\r\n")},
	{"small", []byte(mixedLines())[:4<<10]},
}

func fill(unit string) []byte { return bytes.Repeat([]byte(unit), (1<<20)/len(unit)) }

func mixedLines() string {
	var b strings.Builder
	for i := range 100 {
		if i%10 == 0 {
			b.WriteByte('.')
		}
		b.WriteString(strings.Repeat("y", (i*37)%79))
		b.WriteString("\r\n")
	}
	return b.String()
}

// What a copy costs is in the sub-benchmark memcpy of the same run.
func BenchmarkStuff(b *testing.B) {
	dst := make([]byte, 0, 3<<20)
	segments := make([][]byte, 0, 1<<20)
	for _, c := range benchContents {
		measure := func(name string, work func(src []byte)) {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(c.content)))
				b.ReportAllocs()
				for b.Loop() {
					work(c.content)
				}
			})
		}
		measure("memcpy", func(src []byte) { copy(dst[:len(src)], src) })
		var s codec.Stuffer
		s.Reset(codec.Refuse)
		measure("append", func(src []byte) {
			if _, err := s.Append(dst, src); err != nil {
				b.Fatal(err)
			}
		})
		s.Reset(codec.Refuse)
		measure("segments", func(src []byte) {
			if _, err := s.Segments(segments, src); err != nil {
				b.Fatal(err)
			}
		})
		s.Reset(codec.Normalize)
		measure("normalize", func(src []byte) {
			if _, err := s.Append(dst, src); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkUnstuff(b *testing.B) {
	wire := benchContents[0].content
	dst := make([]byte, 0, 2<<20)
	var u codec.Unstuffer
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		u.Append(dst, wire)
	}
}

func BenchmarkCommand(b *testing.B) {
	dst := make([]byte, 0, 4096)
	var err error
	for _, bench := range []struct {
		name string
		work func() ([]byte, error)
	}{
		{"mail", func() ([]byte, error) { return codec.AppendMail(dst, "MAIL", "sender@example.com", nil) }},
		{"mail-size-body", func() ([]byte, error) {
			return codec.AppendMail(dst, "MAIL", "sender@example.com", &codec.MailParams{Size: 4096, Body: codec.Body8BitMIME})
		}},
		{"rcpt", func() ([]byte, error) { return codec.AppendRcpt(dst, "recipient@example.com", nil) }},
		{"rcpt-dsn", func() ([]byte, error) {
			return codec.AppendRcpt(dst, "recipient@example.com", &codec.RcptParams{
				Notify: codec.NotifyFailure | codec.NotifyDelay, OriginalRecipient: "rfc822;recipient+x@example.com",
			})
		}},
		{"bdat", func() ([]byte, error) { return codec.AppendBdat(dst, 4096, true), nil }},
		{"ehlo", func() ([]byte, error) { return codec.AppendEhlo(dst, "client.example.com") }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err = bench.work(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
