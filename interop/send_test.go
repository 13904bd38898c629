//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/interop/cube"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/record"
)

// endpoint is how the client reaches a port of a peer.
var endpoint = cube.Endpoint

// send sends one message over a session of its own.
func send(t testing.TB, e *parley.Endpoint, m *parley.Mail) (*parley.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, err := parley.Dial(ctx, e)
	if err != nil {
		return nil, err
	}
	result, err := c.Deliver(ctx, m)
	return result, errors.Join(err, c.Quit(ctx))
}

func mail(content string, to ...peers.Account) *parley.Mail {
	env := &message.Envelope{ReversePath: message.MustParsePath("sender@client.test")}
	for _, a := range to {
		env.Recipients = append(env.Recipients, message.Recipient{Path: message.MustParsePath(a.Mailbox())})
	}
	return &parley.Mail{Envelope: env, Content: message.FromBytes([]byte(content))}
}

// said reports whether the client sent a command.
func said(log *record.Log, verb string) bool {
	for _, f := range log.Frames() {
		if f.Dir == record.FromClient && bytes.Contains(f.Bytes, []byte(verb+" ")) {
			return true
		}
	}
	return false
}

// TestSendRefusals has Postfix refuse what it refuses, each for its own reason.
func TestSendRefusals(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	account := func(user string) peers.Account { return peers.Account{User: user} }
	for _, serial := range []bool{false, true} {
		e := endpoint(p, site, peers.SMTP)
		e.Session.Serial = serial
		result, err := send(t, e, mail(head, account(peers.Nobody), peers.Alice, account(peers.Busy), account(peers.Full), account(peers.Blocked)))
		if err != nil || result.Outcome() != parley.OutcomePartial {
			t.Fatalf("%v, %v", result, err)
		}
		want := []string{"refused 550 false", "accepted 250 false", "refused 450 true", "refused 552 true", "refused 554 false"}
		var got []string
		for i := range result.Recipients {
			r := &result.Recipients[i]
			got = append(got, fmt.Sprint(r.Status, " ", r.Reply.Code, " ", r.Temporary()))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("serial %v (-want +got):\n%s", serial, diff)
		}
	}
	for kind, reason := range map[peers.Kind]transport.Reason{
		peers.TLSExpired: transport.ReasonExpired, peers.TLSWrongName: transport.ReasonWrongName,
	} {
		_, err := send(t, endpoint(p, site, kind), mail(head, peers.Bob))
		var te *transport.TLSError
		if !errors.Is(err, parley.ErrTLS) || !errors.As(err, &te) || te.Reason != reason {
			t.Errorf("%s: %v", kind, err)
		}
	}
	e := endpoint(p, site, peers.SMTP)
	e.TLS = parley.TLSStartTLS
	if _, err := send(t, e, mail(head, peers.Bob)); !errors.Is(err, parley.ErrUnsupported) {
		t.Errorf("no STARTTLS: %v", err)
	}
	e = endpoint(p, site, peers.Submission)
	e.TLSConfig.RootCAs = nil
	if _, err := send(t, e, mail(head, peers.Bob)); !errors.Is(err, parley.ErrTLS) {
		t.Errorf("unknown authority: %v", err)
	}
	for _, mech := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"} {
		e = endpoint(p, site, peers.Submission)
		e.Credentials.Password = auth.NewSecret("wrong-password")
		e.AuthPolicy.Mechanisms = []string{mech}
		_, err := send(t, e, mail(head, peers.Bob))
		var pe *parley.Error
		if !errors.Is(err, parley.ErrAuth) || !errors.As(err, &pe) || pe.Reply == nil || strings.Contains(err.Error(), "wrong-password") {
			t.Errorf("%s with a wrong password: %v", mech, err)
		}
	}
	e = endpoint(p, site, peers.AuthClear)
	e.AuthPolicy.AllowPlaintext = false
	e.AuthPolicy.Mechanisms = []string{"PLAIN"}
	if _, err := send(t, e, mail(head, peers.Bob)); !errors.Is(err, auth.RuleClearLink) {
		t.Errorf("PLAIN in clear: %v", err)
	}
	e = endpoint(p, site, peers.Strict)
	if _, err := send(t, e, mail(head+strings.Repeat("0123456789\r\n", 1000), peers.Bob)); !errors.Is(err, parley.ErrUnsupported) {
		t.Errorf("too large: %v", err)
	}
	m := mail(head+"a\rb\r\n", peers.Bob)
	m.LineEnds = codec.Refuse
	if _, err := send(t, endpoint(p, site, peers.SMTP), m); !errors.Is(err, message.FaultBareCR) {
		t.Errorf("bare CR: %v", err)
	}
}
