package sink_test

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/internal/sink"
)

const envelope = "C: MAIL FROM:<a@x.example>\nS: 250 {any}\nC: RCPT TO:<b@y.example>\nS: 250 {any}\n"

// What arrives between DATA and the end, octet by octet.
func TestData(t *testing.T) {
	line := strings.Repeat("x", 70000) // over every buffer
	for _, tt := range []struct{ name, wire, want, reply string }{
		{"empty", ".\r\n", "", "250 2.0.0"},
		{"one line", "a\r\n.\r\n", "a\r\n", "250 2.0.0"},
		{"empty lines", "\r\n\r\n.\r\n", "\r\n\r\n", "250 2.0.0"},
		{"dots", "..\r\n...a\r\na.b.\r\n.b\r\n.\r\n", ".\r\n..a\r\na.b.\r\nb\r\n", "250 2.0.0"},
		{"8 bit and NUL", "\x80\xff\x00é\r\n.\r\n", "\x80\xff\x00é\r\n", "250 2.0.0"},
		{"long line", line + "\r\n.\r\n", line + "\r\n", "250 2.0.0"},

		// RFC 5321 §4.1.1.4: CRLF "." CRLF ends content, nothing else.
		{"LF.LF", "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", "554 5.6.0"},
		{"LF.CRLF", "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", "554 5.6.0"},
		{"CR.CR", "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", "554 5.6.0"},
		{"CR.CRLF", "a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", "554 5.6.0"},
		{"CRLF.LF", "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", "554 5.6.0"},
		{"CRLF.CR", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "554 5.6.0"},
		{"CRLF.CRCRLF", "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", "554 5.6.0"},
		{"CRCRLF", "a\r\r\n.\r\n", "a\r\r\n", "554 5.6.0"},
		{"LF at the start", "\n.\r\n\r\n.\r\n", "\n.\r\n\r\n", "554 5.6.0"},
		{"CR before the end", "a\r\n\r.\r\n\r\n.\r\n", "a\r\n\r.\r\n\r\n", "554 5.6.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script := hello("ENHANCEDSTATUSCODES") + envelope + "C: DATA\nS: 354 {any}\nC| " + escape(tt.wire) + "\n"

			srv := server(t, "ENHANCEDSTATUSCODES")
			memory := &sink.Memory{}
			srv.Store = memory
			play(t, srv, script+"S: "+tt.reply+" {any}"+quit)
			if kept := len(memory.Messages()) == 1; kept != (tt.reply[0] == '2') {
				t.Errorf("%d messages kept", len(memory.Messages()))
			}

			srv = server(t, "ENHANCEDSTATUSCODES")
			srv.Store = memory
			srv.Tolerance = sink.BareLineEnds
			memory.Reset()
			play(t, srv, script+"S: 250 2.0.0 Accepted, "+strconv.Itoa(len(tt.want))+" octets"+quit)
			var got string
			for _, m := range memory.Messages() {
				got += string(m.Content)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\r", `\r`, "\n", `\n`, "\x00", `\0`, " ", `\x20`).Replace(s)
}

// The scanner gives the same content and the same verdict for every way in which
// the octets are split, and takes nothing behind the end.
func FuzzData(f *testing.F) {
	f.Add([]byte("a\r\n..b\r\n.\r\nRSET\r\n"))
	f.Add([]byte(".\r\n"))
	f.Add([]byte("\r\n.\r\r\n.\n.\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		whole := sink.Scan(wire, len(wire)+1)
		for _, size := range []int{1, 2, 3, 7} {
			if diff := cmp.Diff(whole, sink.Scan(wire, size)); diff != "" {
				t.Fatalf("in pieces of %d: %s", size, diff)
			}
		}
		end := bytes.Index(append([]byte("\r\n"), wire...), []byte("\r\n.\r\n"))
		switch {
		case end < 0 && whole.End:
			t.Fatal("an end was found where there is none")
		case end >= 0 && whole.Taken != end+3:
			t.Fatalf("the end was found at %d instead of %d", whole.Taken, end+3)
		}
	})
}

func TestBdat(t *testing.T) {
	type message struct{ Content, Params string }
	for _, tt := range []struct {
		name, script string
		want         []message
	}{
		{
			"one chunk, every octet", `
			C: MAIL FROM:<a@x.example> BODY=BINARYMIME
			C: RCPT TO:<b@y.example>
			C: BDAT 14 LAST
			C| \0\r.\n\r\n.\r\nMAIL\xff
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 Accepted, 14 octets`,
			[]message{{"\x00\r.\n\r\n.\r\nMAIL\xff", "BODY=BINARYMIME"}},
		},
		{
			"chunks, no line end at the end", `
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: BDAT 3
			C| abcBDAT 0\r\nbdat 4 last\r\nd\r\ne
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 Ok, 3 octets
			S: 250 2.0.0 Ok, 0 octets
			S: 250 2.0.0 Accepted, 7 octets
			C: BDAT 0 LAST
			S: 503 5.5.1 {any}`,
			[]message{{"abcd\r\ne", ""}},
		},
		{
			"nothing at all", `
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: BDAT 0 LAST
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 Accepted, 0 octets`,
			[]message{{"", ""}},
		},
		{
			"two messages in one go", `
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: BDAT 1 LAST
			C| 1MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nBDAT 1 LAST\r\n2
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 Accepted, 1 octets
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 Accepted, 1 octets`,
			[]message{{"1", ""}, {"2", ""}},
		},
		{
			"refused chunks are taken and not obeyed", `
			C: BDAT 6
			C| RSET\r\n
			S: 503 5.5.1 {any}
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<bad>
			C: BDAT 6
			C| QUIT\r\nBDAT 6 LAST\r\nQUIT\r\n
			S: 250 2.1.0 Ok
			S: 501 5.1.3 {any}
			S: 554 5.5.1 {any}
			S: 554 5.5.1 {any}`, nil,
		},
		{
			"behind a chunk only chunks", `
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: BDAT 1
			C| 1
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 Ok, 1 octets
			C: RCPT TO:<c@y.example>
			S: 503 5.5.1 {any}
			C: DATA
			S: 503 5.5.1 {any}
			C: MAIL FROM:<>
			S: 503 5.5.1 {any}
			C: BDAT 1 LAST
			C| 2
			S: 250 2.0.0 Accepted, 2 octets`,
			[]message{{"12", ""}},
		},
		{
			"RSET between chunks", `
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: BDAT 1
			C| 1
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 Ok, 1 octets
			C: RSET
			S: 250 2.0.0 Ok
			C: BDAT 1 LAST
			C| 2
			S: 503 5.5.1 {any}`, nil,
		},
		{
			"BINARYMIME and DATA", `
			C: MAIL FROM:<a@x.example> BODY=BINARYMIME
			S: 250 2.1.0 Ok
			C: RCPT TO:<b@y.example>
			S: 250 2.1.5 Ok
			C: DATA
			S: 503 5.5.1 {any}`, nil,
		},
		{
			"too large: later chunks too, until RSET", `
			C: MAIL FROM:<a@x.example>
			C: RCPT TO:<b@y.example>
			C: BDAT 30
			C| 012345678901234567890123456789BDAT 1 LAST\r\nx
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 552 5.3.4 {any}
			S: 503 5.5.1 {any}
			C: MAIL FROM:<>
			S: 503 5.5.1 {any}
			C: RSET
			S: 250 2.0.0 Ok
			C: MAIL FROM:<>
			S: 250 2.1.0 Ok`, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t, "PIPELINING SIZE 8BITMIME CHUNKING BINARYMIME ENHANCEDSTATUSCODES")
			srv.Limits.Size = 20
			memory := &sink.Memory{}
			srv.Store = memory
			play(t, srv, hello("PIPELINING", "8BITMIME", "SIZE 20", "CHUNKING", "BINARYMIME", "ENHANCEDSTATUSCODES")+tt.script+quit)
			var got []message
			for _, m := range memory.Messages() {
				if !m.Chunked {
					t.Error("not chunked")
				}
				got = append(got, message{string(m.Content), m.Params})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Behind a BDAT that cannot be understood nobody knows where the next command is.
func TestBadBdat(t *testing.T) {
	for _, args := range []string{"", " x", " -1", " 1 FIRST", " 1  LAST", " 1 LAST x", " 123456789012345678901", " 99999999999999999999"} {
		t.Run(args, func(t *testing.T) {
			code := "501 5.5.4"
			if len(args) == 21 {
				code = "552 5.3.4"
			}
			play(t, server(t, "CHUNKING ENHANCEDSTATUSCODES"), hello("CHUNKING", "ENHANCEDSTATUSCODES")+
				"C: BDAT"+args+"\nS: "+code+" {any}\nX: eof")
		})
	}
}

func TestSize(t *testing.T) {
	srv := server(t, "SIZE ENHANCEDSTATUSCODES")
	srv.Limits.Size = 10
	memory := &sink.Memory{}
	srv.Store = memory
	play(t, srv, hello("SIZE 10", "ENHANCEDSTATUSCODES")+envelope+`
		C: DATA
		S: 354 {any}
		C: ..345678
		C: .
		S: 250 2.0.0 Accepted, 9 octets
		`+envelope+`
		C: DATA
		S: 354 {any}
		C: 012345678
		C: .
		S: 552 5.3.4 {any}
		`+envelope+quit)
	if n := len(memory.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestCheckContent(t *testing.T) {
	for _, tt := range []struct{ name, params, wire, reply string }{
		{"1000 octets", "", strings.Repeat("x", 998) + `\r\na\r\n.\r\n`, "250"},
		{"1001 octets", "", strings.Repeat("x", 999) + `\r\na\r\n.\r\n`, "554"},
		{"NUL", "", `a\0b\r\n.\r\n`, "554"},
		{"8 bit", "", `\x80\r\n.\r\n`, "554"},
		{"8 bit declared", " BODY=8BITMIME", `\x80\r\n.\r\n`, "250"},
		{"8 bit by SMTPUTF8", " SMTPUTF8", `\xC3\xA9\r\n.\r\n`, "250"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t, "8BITMIME SMTPUTF8")
			srv.CheckContent = true
			play(t, srv, hello("8BITMIME", "SMTPUTF8")+"C: MAIL FROM:<>"+tt.params+
				"\nS: 250 {any}\nC: RCPT TO:<b@y.example>\nS: 250 {any}\nC: DATA\nS: 354 {any}\nC| "+tt.wire+"\nS: "+tt.reply+" {any}"+quit)
		})
	}
}

func TestPipelining(t *testing.T) {
	group := "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y.example>\nC: DATA\n"
	t.Run("group", func(t *testing.T) {
		srv := server(t, "PIPELINING")
		play(t, srv, hello("PIPELINING")+strings.Repeat(group+`
			S: 250 Ok
			S: 250 Ok
			S: 354 {any}
			C: text
			C: .
			C: MAIL FROM:<>
			C: RSET
			S: 250 {any}
			S: 250 Ok
			S: 250 Ok
			`, 3)+quit)
		// greeting, EHLO, and twice a message; QUIT is answered and nothing awaited.
		if s := srv.Stats(); s.Turns != 2+3*2 || s.Messages != 3 {
			t.Errorf("%+v", s)
		}
	})
	for _, tt := range []struct{ name, offered, script string }{
		{"not offered", "none", group + "S: 503 {any}\nX: eof"},
		{"after HELO", "PIPELINING", "C: HELO x\nS: 250 {any}\n" + group + "S: 503 {any}\nX: eof"},
		{"behind EHLO", "PIPELINING", "C: EHLO x\nC: MAIL FROM:<>\nS: 503 {any}\nX: eof"},
		{"behind NOOP", "PIPELINING", "C: NOOP\nC: MAIL FROM:<>\nS: 503 {any}\nX: eof"},
		{"behind DATA", "PIPELINING", group + "C: text\nC: .\nS: 250 {any}\nS: 250 {any}\nS: 503 {any}\nX: eof"},
		{"behind content", "none", envelope + "C: DATA\nS: 354 {any}\nC: .\nC: NOOP\nS: 250 {any}\nS: 503 {any}\nX: eof"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t, tt.offered)
			opening := hello()
			if tt.offered != "none" {
				opening = hello(tt.offered)
			}
			play(t, srv, opening+tt.script)
			if n := srv.Stats().Violations; n != 1 {
				t.Errorf("%d violations", n)
			}
		})
	}
	t.Run("tolerated", func(t *testing.T) {
		srv := server(t, "none")
		srv.Tolerance = sink.InputAhead
		play(t, srv, hello()+group+"C: text\nC: .\nC: NOOP\nS: 250 Ok\nS: 250 Ok\nS: 354 {any}\nS: 250 {any}\nS: 250 Ok"+quit)
	})
}

// What a store says to a message is what the client hears.
func TestStoreErrors(t *testing.T) {
	replies := []error{io.ErrShortWrite, sink.Reply{Code: 554, Enhanced: "5.7.1", Text: "not here"}, nil}
	srv := server(t, "ENHANCEDSTATUSCODES")
	srv.Store = sink.Func(func(*sink.Message) error {
		err := replies[0]
		replies = replies[1:]
		return err
	})
	message := envelope + "C: DATA\nS: 354 {any}\nC: .\n"
	play(t, srv, hello("ENHANCEDSTATUSCODES")+message+"S: 451 4.3.0 {any}\n"+message+"S: 554 5.7.1 not here\n"+message+"S: 250 2.0.0 {any}"+quit)

	srv.Store = failing{}
	play(t, srv, hello("ENHANCEDSTATUSCODES")+message+"S: 451 4.3.0 {any}"+quit)
}

type failing struct{}

func (failing) Open(*sink.Envelope) (sink.Writer, error) { return nil, errors.New("disk gone") }

// A message whose end never came is not delivered.
func TestCutContent(t *testing.T) {
	srv := server(t, "CHUNKING")
	dir := t.TempDir()
	maildir, err := sink.NewMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	srv.Store = maildir
	play(t, srv, hello("CHUNKING")+envelope+`
		C: DATA
		S: 354 {any}
		C: text
		C| .\r
		X: close`)
	play(t, srv, hello("CHUNKING")+envelope+`
		C: BDAT 4
		C| text
		S: 250 {any}
		X: close`)
	play(t, srv, hello("CHUNKING")+envelope+`
		C: BDAT 4
		C| text
		S: 250 {any}
		C: RSET
		S: 250 {any}`+quit)
	if s := srv.Stats(); s.Messages != 0 {
		t.Errorf("%+v", s)
	}
	if got := files(t, dir); len(got["tmp"])+len(got["new"]) != 0 {
		t.Errorf("left behind: %q", got)
	}
}
