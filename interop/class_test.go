//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/message"
)

// class is an SMTP set up for a port of a peer, as its users set it up.
func class(t testing.TB, p peers.Peer, site *peers.Site, kind peers.Kind) *parley.SMTP {
	t.Helper()
	host, port, err := net.SplitHostPort(p.Addr(kind))
	if err != nil {
		t.Fatal(err)
	}
	s := parley.New()
	s.MailServer, s.Hello, s.SSLServerCACerts = host, "client.test", string(site.CA.PEM())
	s.MailPort, _ = strconv.Atoi(port)
	s.From, s.SendTo = "sender@client.test", peers.Carol.Mailbox()
	s.Subject, s.MessageText = "class", "hello\r\n.\r\nMAIL FROM:<x@y>\r\nend\r\n"
	s.MessageDate, s.MessageId = "Wed, 25 Nov 2026 12:00:00 +0000", "<class@client.test>"
	switch kind {
	case peers.StartTLS, peers.Submission, peers.TLSRequired:
		s.SSLStartMode = parley.SSLExplicit
	case peers.SMTPS, peers.Submissions:
		s.SSLStartMode = parley.SSLImplicit
	}
	switch kind {
	case peers.Submission, peers.Submissions, peers.AuthClear:
		s.User, s.Password = peers.Alice.User, auth.NewSecret(peers.Alice.Password)
	}
	return s
}

// TestClass sends with the class SMTP through Postfix: every port, both TLS engines, every
// mechanism it numbers, composed and raw messages, several on one connection.
func TestClass(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	n := 0
	deliver := func(name string, s *parley.SMTP, want string) {
		t.Helper()
		result, err := s.Send(ctx)
		if err != nil || result.Outcome() != parley.OutcomeAccepted || !strings.HasPrefix(s.LastReply(), "2") {
			t.Errorf("%s: %v, last reply %q", name, err, s.LastReply())
			return
		}
		n++
		if diff := cmp.Diff(stored(want), arrived(t, p, peers.Carol.User, n)); diff != "" {
			t.Errorf("%s: sent and stored differ (-sent +stored):\n%.2000s", name, diff)
		}
	}
	composed := func(s *parley.SMTP) string {
		t.Helper()
		header, err := s.MessageHeadersString()
		if err != nil {
			t.Fatal(err)
		}
		return header + "\r\n" + s.MessageText
	}
	for _, kind := range []peers.Kind{
		peers.SMTP, peers.StartTLS, peers.SMTPS, peers.Submission, peers.Submissions, peers.AuthClear, peers.TLSRequired, peers.Plain821, peers.Postscreen,
	} {
		for _, engine := range []parley.Engine{parley.EngineStandard, parley.EngineInternal} {
			s := class(t, p, site, kind)
			s.UseInternalSecurityAPI = engine
			deliver(fmt.Sprintf("%s, engine %d", kind, engine), s, composed(s))
			if s.Connected() {
				t.Errorf("%s: connected after Send", kind)
			}
			if secure := s.SSLNegotiatedVersion() != ""; secure != (s.SSLStartMode != parley.SSLNone) {
				t.Errorf("%s: version %q", kind, s.SSLNegotiatedVersion())
			}
		}
	}
	for _, mechanism := range []parley.AuthMechanism{parley.AuthPassword, parley.AuthCRAMMD5, parley.AuthNTLM, parley.AuthPlain, parley.AuthDigestMD5, parley.AuthSCRAM} {
		s := class(t, p, site, peers.Submissions)
		s.AuthMechanism = mechanism
		deliver(fmt.Sprint("mechanism ", mechanism), s, composed(s))
	}

	s := class(t, p, site, peers.SMTP)
	s.AllowExtensions = false
	deliver("HELO", s, composed(s))
	s = class(t, p, site, peers.SMTPS)
	if err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s.SendRSET = i == 2
		s.Message = []byte(head + strconv.Itoa(i))
		deliver("raw", s, head+strconv.Itoa(i))
	}
	s.Message, s.MessageStream = nil, bytes.NewReader([]byte(head+".stream\r\n"))
	deliver("stream", s, head+".stream\r\n")
	s.MessageStream = bytes.NewBufferString(head + ".stream read once\r\n")
	deliver("stream read once", s, head+".stream read once\r\n")
	if err := s.Disconnect(ctx); err != nil {
		t.Error(err)
	}

	s = class(t, p, site, peers.SMTP)
	s.Subject = "gr\u00fc\u00dfe"
	s.Charset, s.HTML, s.MessageText = "utf-8", "<p>gr\u00fc\u00dfe</p>", "gr\u00fc\u00dfe\r\n"
	s.Attachments = []message.Attachment{message.AttachBytes("a.bin", bytes.Repeat([]byte{0, 1, 0xff, '\r', '\n', '.'}, 10_000))}
	if result, err := s.Send(ctx); err != nil || result.Outcome() != parley.OutcomeAccepted {
		t.Errorf("attachment: %v", err)
	} else if n++; !strings.Contains(arrived(t, p, peers.Carol.User, n), "a.bin") {
		t.Error("the attachment is not there")
	}

	s = class(t, p, site, peers.SMTP)
	s.SendTo = peers.Nobody + "@" + peers.Domain + ", " + peers.Carol.Mailbox()
	if result, err := s.Send(ctx); !errors.Is(err, parley.ErrRefused) || result.Count(parley.Accepted) != 0 || !strings.HasPrefix(err.Error(), "parley: while sending RCPT TO") {
		t.Errorf("StopOnToErrors: %v", err)
	}
	s.StopOnToErrors = false
	if result, err := s.Send(ctx); err != nil || result.Outcome() != parley.OutcomePartial {
		t.Errorf("StopOnToErrors=false: %v", err)
	} else {
		n++
		arrived(t, p, peers.Carol.User, n)
	}
	if reply, err := s.Verify(ctx, peers.Carol.Mailbox()); err != nil || reply.Code != 252 {
		t.Errorf("VRFY: %v, %v", reply, err)
	}
	if _, err := s.Expand(ctx, "list"); !errors.Is(err, parley.ErrRefused) {
		t.Errorf("EXPN: %v", err)
	}
	for kind, mode := range map[peers.Kind]parley.SSLStartMode{peers.SMTPS: parley.SSLImplicit, peers.StartTLS: parley.SSLExplicit} {
		s = class(t, p, site, kind)
		s.SSLServerCACerts, s.SSLStartMode = "", mode
		if _, err := s.Send(ctx); !errors.Is(err, parley.ErrTLS) {
			t.Errorf("%s, unknown authority: %v", kind, err)
		}
	}
	s = class(t, p, site, peers.Submissions)
	s.Password = auth.NewSecret("wrong-password")
	if _, err := s.Send(ctx); !errors.Is(err, parley.ErrAuth) || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("a wrong password: %v", err)
	}
	if messages, err := p.Mailbox(peers.Carol.User); err != nil || len(messages) != n {
		t.Errorf("%d messages, want %d, %v", len(messages), n, err)
	}
}
