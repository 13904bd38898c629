package parley_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/message"
)

// field tests that setting a property makes a header field, and that without it there is
// none.
func field(setting, value, name, want string) func(*testing.T) {
	return func(t *testing.T) {
		s, peer := class(t, nil)
		for _, c := range []struct{ set, want string }{{"", ""}, {setting + "=" + value, want}} {
			if c.set != "" {
				sets(t, s, c.set)
			} else if setting == "Subject" {
				s.Subject = ""
			}
			if got := header(t, send(t, s, peer).Content).Get(name); got != c.want {
				t.Errorf("%q: %s is %q, want %q", c.set, name, got, c.want)
			}
		}
	}
}

func header(t *testing.T, content []byte) mail.Header {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

func body(content []byte) string {
	_, b, _ := strings.Cut(string(content), "\r\n\r\n")
	return b
}

var messageRows = rowTests{
	"property/Subject":                field("Subject", "minutes of today", "Subject", "minutes of today"),
	"property/Importance":             field("Importance", "1", "Importance", "High"),
	"property/Priority":               field("Priority", "2", "Priority", "urgent"),
	"property/Sensitivity":            field("Sensitivity", "3", "Sensitivity", "Company-Confidential"),
	"property/ReplyTo":                field("ReplyTo", "r@x.example", "Reply-To", "r@x.example"),
	"property/ReadReceiptTo":          field("ReadReceiptTo", "r@x.example", "Disposition-Notification-To", "r@x.example"),
	"property/DeliveryNotificationTo": field("DeliveryNotificationTo", "r@x.example", "Return-Receipt-To", "r@x.example"),

	"property/MessageText": func(t *testing.T) {
		s, peer := class(t, nil)
		s.MessageText = ".dot\r\nbare\nends\rhere\r\n..\r\n"
		if got, want := body(send(t, s, peer).Content), ".dot\r\nbare\r\nends\r\nhere\r\n..\r\n"; got != want {
			t.Errorf("body %q, want %q", got, want)
		}
	},
	"property/Message": func(t *testing.T) {
		s, peer := class(t, nil)
		const raw = "Subject: raw\r\nX: y\r\n\r\n.x\r\n"
		s.Message = []byte(raw)
		got := send(t, s, peer)
		if string(got.Content) != raw {
			t.Errorf("content %q, want %q", got.Content, raw)
		}
		if got.ReversePath != "a@x.example" || got.Paths()[0] != "b@y.example" {
			t.Errorf("envelope %q %q", got.ReversePath, got.Paths())
		}
		s.Message, s.MessageStream = nil, strings.NewReader(raw)
		if got := send(t, s, peer); string(got.Content) != raw {
			t.Errorf("streamed %q, want %q", got.Content, raw)
		}
		from := strings.NewReader("skip" + raw)
		from.Seek(4, io.SeekStart)
		s.MessageStream = from
		if got := send(t, s, peer); string(got.Content) != raw || !strings.Contains(got.Params, "SIZE=") {
			t.Errorf("streamed from the middle %q %q", got.Params, got.Content)
		}
		s.MessageStream = struct{ io.Reader }{strings.NewReader(raw)} // once only
		if got := send(t, s, peer); string(got.Content) != raw {
			t.Errorf("streamed once %q", got.Content)
		}
		s.MessageStream, s.Message = nil, []byte("Bcc: secret@x.example\r\nSubject: raw\r\n\r\n")
		if got := string(send(t, s, peer).Content); strings.Contains(got, "secret") {
			t.Errorf("Bcc went out: %q", got)
		}
	},
	"property/MessageDate": func(t *testing.T) {
		s, peer := class(t, nil)
		date, err := header(t, send(t, s, peer).Content).Date()
		if err != nil || time.Since(date) > time.Minute {
			t.Errorf("*: %v, %v", date, err)
		}
		const fixed = "Fri, 21 Nov 1997 09:55:06 -0600"
		s.MessageDate = fixed
		if got := header(t, send(t, s, peer).Content).Get("Date"); got != fixed {
			t.Errorf("Date %q, want %q", got, fixed)
		}
		s.MessageDate = ""
		if got := header(t, send(t, s, peer).Content)["Date"]; got != nil {
			t.Errorf("no date: %q", got)
		}
	},
	"property/MessageId": func(t *testing.T) {
		s, peer := class(t, nil)
		got := header(t, send(t, s, peer).Content).Get("Message-Id")
		if !strings.HasSuffix(got, "@client.example>") {
			t.Errorf("generated %q", got)
		}
		if s.MessageId != got {
			t.Errorf("read back %q, sent %q", s.MessageId, got)
		}
		if next := header(t, send(t, s, peer).Content).Get("Message-Id"); next == got || next != s.MessageId {
			t.Errorf("the next message has %q after %q", next, got)
		}
		s.MessageId = "mine@x.example"
		if got := header(t, send(t, s, peer).Content).Get("Message-Id"); got != "<mine@x.example>" {
			t.Errorf("given: %q", got)
		}
		s, peer = class(t, nil)
		s.MessageId = ""
		if got := header(t, send(t, s, peer).Content)["Message-Id"]; got != nil {
			t.Errorf("none: %q", got)
		}
		s.Message = []byte("Message-ID: <raw@x.example>\r\n\r\n")
		if result, err := s.Send(t.Context()); err != nil || result.MessageID != "<raw@x.example>" {
			t.Errorf("of a raw message: %+v, %v", result, err)
		}
	},
	"setting/MessageIdAlgorithm": func(t *testing.T) {
		length := func(algorithm string) int {
			s, peer := class(t, nil)
			sets(t, s, "MessageIdAlgorithm="+algorithm)
			left, _, _ := strings.Cut(header(t, send(t, s, peer).Content).Get("Message-Id"), "@")
			return len(left)
		}
		if a, b := length("MD5"), length("SHA-512"); a >= b {
			t.Errorf("MD5 makes %d octets, SHA-512 %d", a, b)
		}
		if _, err := parley.New().Config("MessageIdAlgorithm=MD7"); !errors.Is(err, parley.ErrBadValue) {
			t.Errorf("MD7: %v", err)
		}
	},
	"property/OtherHeaders": otherHeaders,
	"setting/OtherHeaders":  otherHeaders,
	"property/MessageHeaders": func(t *testing.T) {
		s, _ := class(t, nil)
		fields, err := s.MessageHeaders()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, f := range fields {
			found[f.Name] = f.Value
		}
		if found["Subject"] != "hi" || found["To"] != "b@y.example" || found["From"] != "a@x.example" {
			t.Errorf("fields %v", fields)
		}
	},
	"property/MessageHeadersString": headersString,
	"setting/MessageHeadersString":  headersString,
	"setting/Charset": func(t *testing.T) {
		s, peer := class(t, nil)
		s.Subject = "größer"
		if got := string(send(t, s, peer).Content); !strings.Contains(got, "Subject: größer\r\n") {
			t.Errorf("as given: %q", got)
		}
		sets(t, s, "Charset=UTF-8")
		got := send(t, s, peer)
		if !strings.Contains(string(got.Content), "Subject: =?UTF-8?") || strings.Contains(got.Params, "SMTPUTF8") {
			t.Errorf("encoded: %q %q", got.Params, got.Content)
		}
	},
	"setting/MaxHeaderLength": func(t *testing.T) {
		s, peer := class(t, nil)
		s.Subject = strings.Repeat("word ", 30) + "end"
		for setting, folded := range map[string]bool{"80": true, "0": false, "998": false} {
			sets(t, s, "MaxHeaderLength="+setting)
			if got := strings.Contains(string(send(t, s, peer).Content), "word\r\n word"); got != folded {
				t.Errorf("%s: folded is %v", setting, got)
			}
		}
	},
	"setting/CodePage": func(t *testing.T) {
		s, peer := class(t, nil)
		s.MessageText = "größer\r\n"
		sets(t, s, "CodePage=1252")
		got := string(send(t, s, peer).Content)
		if !strings.Contains(got, base64.StdEncoding.EncodeToString([]byte("gr\xf6\xdfer\r\n"))) || !strings.Contains(got, "charset=windows-1252") {
			t.Errorf("1252: %q", got)
		}
		s.MessageText = "日本\r\n"
		_, err := s.Send(t.Context())
		if bad := (*message.CharsetError)(nil); !errors.As(err, &bad) || parley.ErrorCode(err) != 434 {
			t.Errorf("a rune it lacks: %v, code %d", err, parley.ErrorCode(err))
		}
		sets(t, s, "CodePage=12345")
		if _, err := s.Send(t.Context()); parley.ErrorCode(err) != 434 {
			t.Errorf("a page that is none: %v", err)
		}
	},
}

func otherHeaders(t *testing.T) {
	s, peer := class(t, nil)
	sets(t, s, "OtherHeaders=X-One: 1\r\nX-Two: 2\r\n")
	got := header(t, send(t, s, peer).Content)
	if got.Get("X-One") != "1" || got.Get("X-Two") != "2" || got.Get("Subject") != "hi" {
		t.Errorf("added: %v", got)
	}
	sets(t, s, "OtherHeaders=\r\nX-Only: 1\r\n")
	if got := string(send(t, s, peer).Content); got != "X-Only: 1\r\n\r\nhello\r\n" {
		t.Errorf("replaced: %q", got)
	}
}

func headersString(t *testing.T) {
	s, peer := class(t, nil)
	s.MessageDate, s.MessageId = "Fri, 21 Nov 1997 09:55:06 -0600", "mine@x.example"
	block := reads(t, s, "MessageHeadersString")
	if sent, _, _ := strings.Cut(string(send(t, s, peer).Content), "\r\n\r\n"); block != sent+"\r\n" {
		t.Errorf("said %q, sent %q", block, sent)
	}
}
