//go:build interop

package interop_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/record"
)

// recording sends and returns what was on the wire too.
func recording(t *testing.T, e *parley.Endpoint, m *parley.Mail) (*parley.Result, string, error) {
	t.Helper()
	log := &record.Log{}
	e.Dialer = record.Dialer(&transport.TCPDialer{}, log)
	result, err := send(t, e, m)
	return result, string(record.Transcript(log.Frames())), err
}

// TestSendUTF8 sends to and from addresses outside ASCII (RFC 6531).
func TestSendUTF8(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	m := mail("Subject: gr\u00fc\u00dfe\r\n"+head+"hello\r\n", peers.Account{User: "j\u00f6rg"})
	m.Envelope.ReversePath = message.MustParsePath("j\u00f6rg@b\u00fccher.test")
	result, wire, err := recording(t, endpoint(p, site, peers.SMTP), m)
	if err != nil || result.Outcome() != parley.OutcomeAccepted || !strings.Contains(wire, " SMTPUTF8") {
		t.Fatalf("%v\n%s", err, wire)
	}
	if diff := cmp.Diff(stored("Subject: gr\u00fc\u00dfe\r\n"+head+"hello\r\n"), arrived(t, p, "j\u00f6rg", 1)); diff != "" {
		t.Errorf("sent and stored differ (-sent +stored):\n%s", diff)
	}
	// A domain alone needs no SMTPUTF8: it goes as A-labels.
	m = mail(head, peers.Bob)
	m.Envelope.ReversePath = message.MustParsePath("joerg@b\u00fccher.test")
	if _, wire, err = recording(t, endpoint(p, site, peers.SMTP), m); err != nil || strings.Contains(wire, " SMTPUTF8") || !strings.Contains(wire, "xn--bcher-kva.test") {
		t.Errorf("%v\n%s", err, wire)
	}
}

// TestSendParameters sends with the parameters of DSN and SIZE, and with recipients in every
// form that a path may have.
func TestSendParameters(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	m := mail(head, peers.Bob)
	m.Envelope.Params = codec.MailParams{Return: "HDRS", EnvelopeID: "QQ=314159 +"}
	m.Envelope.Recipients[0].Params = codec.RcptParams{Notify: codec.NotifyFailure | codec.NotifyDelay, OriginalRecipient: "rfc822;b+=b@parley.test"}
	_, wire, err := recording(t, endpoint(p, site, peers.SMTP), m)
	if err != nil || !strings.Contains(wire, "ENVID=QQ+3D314159+20+2B") || !strings.Contains(wire, "NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2B+3Db@parley.test") || !strings.Contains(wire, "SIZE=") {
		t.Errorf("%v\n%s", err, wire)
	}
	for _, path := range []string{`"bob"@parley.test`, `bob@PARLEY.test`, `<@a.test,@b.test:bob@parley.test>`, `postmaster@parley.test`} {
		m := mail(head)
		m.Envelope.ReversePath = message.Path{}
		m.Envelope.Recipients = []message.Recipient{{Path: message.MustParsePath(path)}}
		if _, wire, err := recording(t, endpoint(p, site, peers.SMTP), m); err != nil {
			t.Errorf("%s: %v\n%s", path, err, wire)
		}
	}
	for _, path := range []string{`"a b"@parley.test`, `"a\"\\b"@parley.test`, `bob@[192.0.2.1]`, `bob@[IPv6:2001:db8::1]`} { // no such mailboxes, and no syntax errors
		m := mail(head)
		m.Envelope.Recipients = []message.Recipient{{Path: message.MustParsePath(path)}}
		result, wire, err := recording(t, endpoint(p, site, peers.SMTP), m)
		if !errors.Is(err, parley.ErrRefused) || result.Recipients[0].Reply.Enhanced.Detail == 3 || strings.Contains(wire, "501") {
			t.Errorf("%s: %v\n%s", path, err, wire)
		}
	}
}

// TestSendManyRecipients has recipients refused in a crowd, until the server has enough.
func TestSendManyRecipients(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	for _, serial := range []bool{false, true} {
		many := make([]peers.Account, 900)
		for i := range many {
			many[i] = peers.Carol
			if i%100 == 50 { // Postfix gives up at 20 errors
				many[i].User = fmt.Sprintf("nobody%d", i)
			}
		}
		e := endpoint(p, site, peers.SMTP)
		e.Session.Serial = serial
		result, err := send(t, e, mail(head+fmt.Sprint(serial), many...))
		if err != nil || result.Count(parley.Accepted) != 891 || result.Count(parley.Refused) != 9 {
			t.Errorf("serial %v: %v", serial, err)
		}
		for i := range result.Recipients {
			if r := &result.Recipients[i]; (i%100 == 50) != (r.Status == parley.Refused && r.Reply.Code == 550) {
				t.Errorf("serial %v: recipient %d %s %s", serial, i, r.Status, r.Reply)
			}
		}

		// Too many errors: it says 421 and closes. Those without a reply of their own are not sent.
		for i := range many[:60] {
			many[i].User = fmt.Sprintf("nobody%d", i)
		}
		many[0] = peers.Carol
		result, err = send(t, e, mail(head, many[:60]...))
		var pe *parley.Error
		if !errors.As(err, &pe) || !pe.Temporary() || result.Count(parley.Unknown)+result.Count(parley.Accepted) != 0 || result.Count(parley.NotSent) < 30 {
			t.Errorf("too many errors, serial %v: %v, %s", serial, err, outcomes(result))
		}
		for i := range result.Recipients {
			if r := &result.Recipients[i]; r.Status == parley.NotSent && !r.Temporary() {
				t.Errorf("too many errors, serial %v: recipient %d may not be tried again: %v", serial, i, r.Err)
			}
		}

		// At most three recipients a message there: the rest may be tried again.
		e = endpoint(p, site, peers.Strict)
		e.Session.Serial = serial
		result, err = send(t, e, mail(head+fmt.Sprint("strict", serial), peers.Bob, peers.Bob, peers.Bob, peers.Carol, peers.Carol))
		if err != nil || outcomes(result) != "accepted 250, accepted 250, accepted 250, refused 452, refused 452" || !result.Recipients[4].Temporary() {
			t.Errorf("recipient limit, serial %v: %v, %s", serial, err, outcomes(result))
		}
	}
	if messages, err := p.Mailbox(peers.Alice.User); err != nil || len(messages) != 0 {
		t.Errorf("%d messages, %v", len(messages), err)
	}
	arrived(t, p, peers.Carol.User, 2)
}

// TestNoMailSaid sends what cannot be sent, each for its own reason: a clear error, and no
// MAIL on the wire.
func TestNoMailSaid(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	eightBit := mail(head+"gr\xc3\xbc\xc3\x9fe\r\n", peers.Bob)
	utf8 := mail(head, peers.Account{User: "j\u00f6rg"})
	dsn := mail(head, peers.Bob)
	dsn.Envelope.Recipients[0].Params.Notify = codec.NotifySuccess
	bareCR := mail(head+"a\rb\r\n", peers.Bob)
	bareCR.LineEnds = codec.Refuse
	bareLF := mail(head+"a\nb\r\n", peers.Bob)
	bareLF.LineEnds = codec.Refuse
	tls := mail(head, peers.Bob)
	tls.Envelope.Params.RequireTLS = true
	nobody := mail(head)
	for _, c := range []struct {
		name string
		kind peers.Kind
		m    *parley.Mail
		want error
		says string // in the error
	}{
		{"8 bit after HELO", peers.Plain821, eightBit, parley.ErrUnsupported, "8BITMIME"},
		{"SMTPUTF8 after HELO", peers.Plain821, utf8, parley.ErrUnsupported, "SMTPUTF8"},
		{"DSN after HELO", peers.Plain821, dsn, parley.ErrUnsupported, "DSN"},
		{"NUL", peers.SMTP, mail(head+"a\x00b\r\n", peers.Bob), parley.ErrUnsupported, "BINARYMIME"},
		{"REQUIRETLS in clear", peers.SMTP, tls, parley.ErrUnsupported, "REQUIRETLS"},
		{"too large", peers.Strict, mail(head+strings.Repeat("0123456789\r\n", 1000), peers.Bob), parley.ErrUnsupported, "10000"},
		{"long line", peers.SMTP, mail(head+"a\r\n"+strings.Repeat("x", 999)+"\r\n", peers.Bob), message.FaultLongLine, "line 10"},
		{"bare CR", peers.SMTP, bareCR, message.FaultBareCR, "line 9"},
		{"bare LF", peers.SMTP, bareLF, message.FaultBareLF, "line 9"},
		{"no recipient", peers.SMTP, nobody, parley.ErrMisuse, "recipient"},
	} {
		_, wire, err := recording(t, endpoint(p, site, c.kind), c.m)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v and %q", c.name, err, c.want, c.says)
		}
		if strings.Contains(wire, "MAIL FROM") || !strings.Contains(wire, "QUIT") {
			t.Errorf("%s: on the wire:\n%s", c.name, wire)
		}
	}
	if strings.Contains(p.Log(), "from=<sender@client.test>") {
		t.Error("the server has heard of a message")
	}
}
