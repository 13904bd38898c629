package fuzz

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// Server plays what a server says, turn by turn, to sessions of several kinds. It checks
// what Session checks.
func Server(turns [][]byte) error {
	kinds := byte(8)
	if len(bytes.Join(turns, nil)) > 4<<10 {
		kinds = 1 // octet by octet that takes its time
	}
	for kind := range kinds {
		// Kinds differ in STARTTLS, AUTH, BDAT and pipelining; see config.
		flags := kind<<2&4 | kind<<2&8 | kind<<2&16
		one := func(machine fsm.Machine, bytewise bool) (*engine, error) {
			cfg, txs, streamed := config(&plan{[]byte{flags, kind % 3, 2}})
			e := newEngine(cfg, machine, max(1, txs), streamed, false)
			for _, turn := range turns {
				e.serve()
				if bytewise {
					for i := range turn {
						e.s.Receive(turn[i : i+1])
					}
				} else {
					e.s.Receive(turn)
				}
			}
			e.serve()
			e.s.Lost(io.EOF)
			return e, e.end()
		}
		first, err := one(&fsm.Compiled{}, false)
		if err != nil {
			return err
		}
		second, err := one(&fsm.Compiled{}, true)
		if err != nil {
			return fmt.Errorf("octet by octet: %w", err)
		}
		same := first.same
		if bytes.Contains(first.sent.Bytes(), []byte("AUTH SCRAM")) { // whose nonce is new each time
			same = first.sameOutcomes
		}
		if err := same(second); err != nil {
			return fmt.Errorf("whole, or octet by octet: %w", err)
		}
	}
	return nil
}

// Content sends a content to a server that takes everything, by DATA and by BDAT. It checks
// that what the server has is the content with CRLF line ends, and that nothing in it ended
// it.
func Content(content []byte) error {
	for _, data := range []session.DataMode{session.DataOnly, session.DataBDAT} {
		s := session.New(session.Config{Data: data})
		s.Dialing()
		s.Connected(session.Link{})
		s.Receive([]byte("220 x\r\n"))
		out(s)
		s.Receive([]byte("250-x\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n"))
		env := &message.Envelope{ReversePath: path("a@x.example"), Recipients: []message.Recipient{{Path: path("b@y.example")}}}
		tx := &session.Transaction{Envelope: env, Content: append([]byte{}, content...), Body: codec.Body8BitMIME}
		if err := s.Begin(tx); err != nil {
			return err
		}
		sent := out(s)
		if data == session.DataOnly {
			s.Receive([]byte("250 ok\r\n250 ok\r\n354 go\r\n"))
			sent = out(s)
		}
		if err := arrived(data, sent, content); err != nil {
			return fmt.Errorf("%v: %w", data, err)
		}
	}
	return nil
}

func arrived(data session.DataMode, sent, content []byte) error {
	var norm codec.Normalizer
	want, err := norm.Append(nil, content)
	if err == nil {
		want, err = norm.End(want)
	}
	if err != nil {
		return err
	}
	if data == session.DataBDAT {
		if !bytes.HasSuffix(sent, want) || !bytes.Contains(sent, fmt.Appendf(nil, "BDAT %d LAST\r\n", len(want))) {
			return fmt.Errorf("sent %q for %q", sent, content)
		}
		return nil
	}
	// What a server makes of it: the first line that is a dot ends it.
	var got []byte
	for line := range bytes.SplitAfterSeq(sent, []byte("\r\n")) {
		if string(line) == ".\r\n" {
			sent = sent[len(sent)-len(line):]
			break
		}
		got = append(got, bytes.TrimPrefix(line, []byte("."))...)
	}
	if !bytes.Equal(got, want) || string(sent) != ".\r\n" {
		return fmt.Errorf("a server has %q of %q, and %q is behind it", got, content, sent)
	}
	return nil
}

// Argument hands the text over wherever a caller may hand over text. It checks that it is
// refused, or stays within its line.
func Argument(text string) error {
	lines := func(what string, b []byte, err error) error {
		if err == nil && (bytes.Count(b, []byte("\n")) != 1 || bytes.Count(b, []byte("\r")) != 1 || !bytes.HasSuffix(b, []byte("\r\n")) || bytes.IndexByte(b, 0) >= 0) {
			return fmt.Errorf("%s: %q became %q", what, text, b)
		}
		return nil
	}
	for what, try := range map[string]func() ([]byte, error){
		"EHLO": func() ([]byte, error) { return codec.AppendEhlo(nil, text) },
		"HELO": func() ([]byte, error) { return codec.AppendHelo(nil, text) },
		"LHLO": func() ([]byte, error) { return codec.AppendLhlo(nil, text) },
		"MAIL": func() ([]byte, error) { return codec.AppendMail(nil, "MAIL", text, &codec.MailParams{SMTPUTF8: true}) },
		"RCPT": func() ([]byte, error) { return codec.AppendRcpt(nil, text, &codec.RcptParams{SMTPUTF8: true}) },
		"ENVID": func() ([]byte, error) {
			return codec.AppendMail(nil, "MAIL", "a@x.example", &codec.MailParams{EnvelopeID: text})
		},
		"AUTH=": func() ([]byte, error) {
			return codec.AppendMail(nil, "MAIL", "a@x.example", &codec.MailParams{Auth: text})
		},
		"extra": func() ([]byte, error) {
			return codec.AppendMail(nil, "MAIL", "a@x.example", &codec.MailParams{Extra: []string{text}})
		},
		"ORCPT": func() ([]byte, error) {
			return codec.AppendRcpt(nil, "a@x.example", &codec.RcptParams{OriginalRecipient: text})
		},
		"VRFY": func() ([]byte, error) { return codec.AppendVrfy(nil, text, true) },
		"EXPN": func() ([]byte, error) { return codec.AppendExpn(nil, text, true) },
		"NOOP": func() ([]byte, error) { return codec.AppendNoop(nil, text, true) },
		"line": func() ([]byte, error) { return codec.AppendLine(nil, text) },
	} {
		b, err := try()
		if err := lines(what, b, err); err != nil {
			return err
		}
	}
	p, err := message.ParsePath(text)
	if err == nil && strings.ContainsAny(p.String(), "\r\n\x00") {
		return fmt.Errorf("the path %q became %q", text, p)
	}
	return nil
}

// out takes what a session has to say.
func out(s *session.Session) []byte {
	var all []byte
	for _, p := range s.Output() {
		all = append(all, p...)
	}
	s.Wrote(int64(len(all)))
	return all
}
