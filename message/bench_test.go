package message_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/parley-mail/parley/message"
)

func BenchmarkScan(b *testing.B) {
	ascii := bytes.Repeat([]byte("A line of a body that is all ASCII, as most lines of most are.\r\n"), 16<<10)
	for name, content := range map[string][]byte{
		"ascii": ascii,
		"8bit":  bytes.ReplaceAll(ascii, []byte("body"), []byte("bödy")),
		"lf":    bytes.ReplaceAll(ascii, []byte("\r\n"), []byte("\n")),
		"short": bytes.Repeat([]byte("ab\r\n"), 256<<10),
	} {
		b.Run(name, func(b *testing.B) {
			content = append([]byte("Subject: x\r\n\r\n"), content...)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				message.ScanBytes(content)
			}
		})
	}
}

func BenchmarkParsePath(b *testing.B) {
	for name, in := range map[string]string{"ascii": "someone@mail.example.com", "idn": "someone@bücher.example", "literal": "a@[IPv6:2001:db8::1]"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := message.ParsePath(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseAddressList(b *testing.B) {
	in := strings.Repeat(`"Doe, John" <john@example.com>, jane@example.com, =?utf-8?q?J=C3=B6rg?= <joerg@example.com>, `, 33)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := message.ParseAddressList(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompose(b *testing.B) {
	for name, set := range map[string]func(*message.Message){
		"text":        func(*message.Message) {},
		"alternative": func(m *message.Message) { m.HTML = "<p>" + m.Text },
		"attachment": func(m *message.Message) {
			m.Attachments = []message.Attachment{message.AttachBytes("a.pdf", make([]byte, 1<<20))}
		},
	} {
		b.Run(name, func(b *testing.B) {
			m := base()
			m.Rand = nil
			m.Charset, m.Subject, m.Text = "UTF-8", "Grüße aus dem Süden", strings.Repeat("Ein Absatz, der nichts sagt, aber Zeilen füllt.\n", 40)
			set(&m)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Content(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWriteTo(b *testing.B) {
	for _, enc := range []message.Encoding{message.SevenBit, message.Binary} {
		b.Run(enc.String(), func(b *testing.B) {
			const size = 16 << 20
			m := base()
			m.Rand, m.Encoding = nil, enc
			m.Attachments = []message.Attachment{message.AttachBytes("a.bin", make([]byte, size))}
			c, err := m.Content()
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
