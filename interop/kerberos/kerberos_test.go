//go:build interop

package kerberos_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/auth/gssapi"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/transport"
)

// TestDelivery sends by way of a Dovecot that knows Alice by her ticket only, and finds
// the message in Bob's mailbox.
func TestDelivery(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	site, err := peers.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	realm := peers.NewKerberos()
	if err := realm.Start(ctx, site); err != nil {
		t.Fatal(err)
	}
	defer realm.Stop()
	p := peers.NewDovecot(realm)
	if err := p.Start(ctx, site); err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	ticket, err := realm.Ticket(peers.Alice)
	if err != nil {
		t.Fatal(err)
	}

	const content = "From: <alice@parley.test>\nTo: <bob@parley.test>\nDate: Wed, 25 Nov 2026 12:00:00 +0000\nMessage-ID: <1@client.test>\nSubject: Kerberos\n\n.\n"
	for i, way := range []struct {
		kind peers.Kind
		tls  parley.TLSMode
	}{
		{peers.AuthClear, parley.TLSNone}, {peers.Submission, parley.TLSStartTLS}, {peers.Submissions, parley.TLSImplicit},
	} {
		mechanism, err := gssapi.New(gssapi.Config{Krb5Conf: realm.Config(), CCache: ticket})
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(p.Addr(way.kind))
		conn, err := parley.Dial(ctx, &parley.Endpoint{
			Address: "localhost:" + port, TLS: way.tls, TLSConfig: &transport.TLSConfig{RootCAs: site.Roots()},
			Credentials: &auth.Credentials{Extra: []auth.Mechanism{mechanism}}, AuthPolicy: auth.Policy{Mechanisms: []string{"GSSAPI"}},
		})
		if err != nil {
			t.Fatalf("%s: %v\n%s", way.kind, err, p.Log())
		}
		result, err := conn.Deliver(ctx, &parley.Mail{
			Envelope: &message.Envelope{
				ReversePath: message.MustParsePath(peers.Alice.Mailbox()),
				Recipients:  []message.Recipient{{Path: message.MustParsePath(peers.Bob.Mailbox())}},
			},
			Content: message.FromBytes([]byte(content)),
		})
		if err != nil || result.Outcome() != parley.OutcomeAccepted {
			t.Fatalf("%s: %v\n%s", way.kind, err, p.Log())
		}
		if err := conn.Quit(ctx); err != nil {
			t.Error(err)
		}
		mechanism.Close()
		messages, err := peers.Await(ctx, p, peers.Bob.User, i+1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(content, string(messages[i].Content)); diff != "" {
			t.Errorf("%s: sent and stored differ (-sent +stored):\n%s", way.kind, diff)
		}
	}
}
