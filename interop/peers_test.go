//go:build interop

package interop_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/interop/peers"
)

// content has what servers like to change: dots, blank lines, long white space,
// octets outside ASCII, no Date and no Message-ID.
const content = "From: <sender@client.test>\nSubject: interop\n\n.\n..\n.dot\n\n  trailing  \n\tgr\xc3\xbc\xc3\x9fe\n\n"

// dated is content with the two fields that some servers add when they miss them.
const dated = "Date: Wed, 25 Nov 2026 12:00:00 +0000\nMessage-ID: <1@client.test>\n" + content

// start runs a peer for the length of a test.
func start(t testing.TB, p peers.Peer) *peers.Site {
	t.Helper()
	version, err := p.Version()
	if err != nil {
		t.Fatal(err)
	}
	site, err := peers.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Start(ctx, site); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		for _, kind := range []peers.Kind{peers.SMTP, peers.Submission, peers.LMTP} {
			if c, err := net.Dial("tcp", p.Addr(kind)); err == nil {
				c.Close()
				t.Errorf("%s still listens after Stop", p.Name())
			}
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.Name(), p.Log())
		}
	})
	t.Logf("%s is up", version)
	return site
}

// long marks a peer that only the full run needs: it is left out of -short.
func long[P peers.Peer](t testing.TB, p P) P {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: Postfix only")
	}
	return p
}

// arrived waits for the nth message of a user and returns its content.
func arrived(t testing.TB, p peers.Peer, user string, n int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	messages, err := peers.Await(ctx, p, user, n)
	if err != nil {
		t.Fatal(err)
	}
	return string(messages[n-1].Content)
}

// way is how the tests below reach a port.
type way struct {
	kind     peers.Kind
	implicit bool
	startTLS bool
	auth     bool // AUTH PLAIN as Alice
}

// checkWays sends one message each way to a user and demands it octet for octet.
func checkWays(t *testing.T, p peers.Peer, site *peers.Site, to peers.Account, sent string, ways []way) {
	config := &tls.Config{RootCAs: site.Roots(), ServerName: peers.Host}
	for i, w := range ways {
		var secure *tls.Config
		if w.implicit {
			secure = config
		}
		d := dial(t, p, w.kind, secure)
		hello := "EHLO"
		if w.kind == peers.LMTP {
			hello = "LHLO"
		}
		d.say(hello+" client.test", 250)
		if w.startTLS {
			d.startTLS(config)
		}
		if w.auth {
			d.say("AUTH PLAIN "+plain(peers.Alice), 235)
		}
		d.message(to.Mailbox(), sent)
		d.say("QUIT", 221)
		if diff := cmp.Diff(sent, arrived(t, p, to.User, i+1)); diff != "" {
			t.Errorf("%s: sent and stored differ (-sent +stored):\n%s", w.kind, diff)
		}
	}
}

func plain(a peers.Account) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + a.User + "\x00" + a.Password))
}

func TestPostfix(t *testing.T) {
	p := peers.NewPostfix()
	site := start(t, p)
	config := &tls.Config{RootCAs: site.Roots(), ServerName: peers.Host}

	t.Run("delivers", func(t *testing.T) {
		checkWays(t, p, site, peers.Bob, content, []way{
			{kind: peers.SMTP},
			{kind: peers.StartTLS, startTLS: true},
			{kind: peers.SMTPS, implicit: true},
			{kind: peers.Submission, startTLS: true, auth: true},
			{kind: peers.Submissions, implicit: true, auth: true},
			{kind: peers.AuthClear, auth: true},
			{kind: peers.TLSRequired, startTLS: true},
			{kind: peers.NoPipelining},
			{kind: peers.Strict},
			{kind: peers.Postscreen},
		})
	})
	t.Run("mechanisms", func(t *testing.T) {
		got := dial(t, p, peers.AuthClear, nil).say("EHLO client.test", 250)
		for _, m := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "NTLM", "ANONYMOUS"} {
			if !strings.Contains(got+" ", m) {
				t.Errorf("%s missing in %q", m, got)
			}
		}
	})
	t.Run("refuses", func(t *testing.T) {
		d := dial(t, p, peers.SMTP, nil)
		d.say("EHLO client.test", 250)
		d.say("MAIL FROM:<>", 250)
		d.say("RCPT TO:<"+peers.Nobody+"@"+peers.Domain+">", 550)
		d.say("RCPT TO:<"+peers.Busy+"@"+peers.Domain+">", 450)
		d.say("RCPT TO:<"+peers.Full+"@"+peers.Domain+">", 552)
		d.say("RCPT TO:<"+peers.Blocked+"@"+peers.Domain+">", 554)
		d.say("RCPT TO:<a@elsewhere.test>", 554)
		d.say("AUTH PLAIN "+plain(peers.Alice), 503)

		d = dial(t, p, peers.AuthClear, nil)
		d.say("EHLO client.test", 250)
		d.say("AUTH PLAIN "+plain(peers.Account{User: "alice", Password: "wrong"}), 535)

		dial(t, p, peers.Plain821, nil).say("EHLO client.test", 500)
		d = dial(t, p, peers.TLSRequired, nil)
		d.say("EHLO client.test", 250)
		d.say("MAIL FROM:<>", 530)
	})
	t.Run("certificates", func(t *testing.T) {
		for _, kind := range []peers.Kind{peers.TLSExpired, peers.TLSWrongName} {
			d := dial(t, p, kind, nil)
			d.say("EHLO client.test", 250)
			d.say("STARTTLS", 220)
			if err := tls.Client(d.conn, config).Handshake(); err == nil {
				t.Errorf("%s: the certificate was accepted", kind)
			}
		}
		cert, err := site.ClientCert("client.test")
		if err != nil {
			t.Fatal(err)
		}
		mutual := config.Clone()
		mutual.Certificates = []tls.Certificate{cert}
		d := dial(t, p, peers.TLSClientCert, nil)
		d.say("EHLO client.test", 250)
		d.startTLS(mutual)
		d.say("MAIL FROM:<>", 250)
		d.say("RCPT TO:<"+peers.Carol.Mailbox()+">", 250)
	})
}

func TestSMTPSink(t *testing.T) {
	keeping := peers.NewSMTPSink().Keep()
	site := start(t, keeping)
	checkWays(t, keeping, site, peers.Bob, content, []way{{kind: peers.SMTP}})

	lmtp := peers.NewSMTPSink("-L")
	start(t, lmtp)
	dial(t, lmtp, peers.LMTP, nil).say("LHLO client.test", 250)

	refusing := peers.NewSMTPSink("-r", "RCPT")
	start(t, refusing)
	d := dial(t, refusing, peers.SMTP, nil)
	d.say("EHLO client.test", 250)
	d.say("MAIL FROM:<>", 250)
	d.say("RCPT TO:<a@"+peers.Domain+">", 450)
}

func TestExim(t *testing.T) {
	p := long(t, peers.NewExim())
	site := start(t, p)
	checkWays(t, p, site, peers.Bob, content, []way{
		{kind: peers.SMTP},
		{kind: peers.StartTLS, startTLS: true},
		{kind: peers.SMTPS, implicit: true},
		{kind: peers.Submission, startTLS: true, auth: true},
		{kind: peers.Submissions, implicit: true, auth: true},
		{kind: peers.AuthClear, auth: true},
	})
	d := dial(t, p, peers.AuthClear, nil)
	got := d.say("EHLO client.test", 250)
	for _, m := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "CHUNKING", "PRDR", "SMTPUTF8", "DSN"} {
		if !strings.Contains(got, m) {
			t.Errorf("%s missing in %q", m, got)
		}
	}
	d.say("MAIL FROM:<>", 530)

	d = dial(t, p, peers.SMTP, nil)
	d.say("EHLO client.test", 250)
	d.say("MAIL FROM:<>", 250)
	d.say("RCPT TO:<"+peers.Nobody+"@"+peers.Domain+">", 550)
	d.say("RCPT TO:<"+peers.Busy+"@"+peers.Domain+">", 450)
	d.say("RCPT TO:<"+peers.Full+"@"+peers.Domain+">", 552)
	d.say("RCPT TO:<"+peers.Blocked+"@"+peers.Domain+">", 554)
	d.say("RCPT TO:<a@elsewhere.test>", 550)

	cert, err := site.ClientCert("client.test")
	if err != nil {
		t.Fatal(err)
	}
	d = dial(t, p, peers.TLSClientCert, nil)
	d.say("EHLO client.test", 250)
	got = d.startTLS(&tls.Config{RootCAs: site.Roots(), ServerName: peers.Host, Certificates: []tls.Certificate{cert}})
	if !strings.Contains(got, "EXTERNAL") {
		t.Errorf("EXTERNAL missing in %q", got)
	}
	d.say("AUTH EXTERNAL =", 235)
}

func TestOpenSMTPD(t *testing.T) {
	p := long(t, peers.NewOpenSMTPD())
	site := start(t, p)
	checkWays(t, p, site, peers.Bob, dated, []way{{kind: peers.SMTP}})

	d := dial(t, p, peers.SMTP, nil)
	if got := d.say("EHLO client.test", 250); strings.Contains(got, "PIPELINING") {
		t.Errorf("PIPELINING in %q", got)
	}
	d.say("MAIL FROM:<>", 250)
	d.say("RCPT TO:<"+peers.Nobody+"@"+peers.Domain+">", 550)

	// Debian 12's build offers STARTTLS and fails every handshake.
	d = dial(t, p, peers.StartTLS, nil)
	d.say("EHLO client.test", 250)
	d.say("STARTTLS", 220)
	if err := tls.Client(d.conn, &tls.Config{RootCAs: site.Roots(), ServerName: peers.Host}).Handshake(); err == nil {
		t.Error("the handshake succeeded: this peer can do more now, add its TLS ports")
	}
}

func TestDovecot(t *testing.T) {
	p := long(t, peers.NewDovecot(nil))
	site := start(t, p)
	config := &tls.Config{RootCAs: site.Roots(), ServerName: peers.Host}
	checkWays(t, p, site, peers.Bob, content, []way{
		{kind: peers.LMTP},
		{kind: peers.Submission, startTLS: true, auth: true},
		{kind: peers.Submissions, implicit: true, auth: true},
		{kind: peers.AuthClear, auth: true},
	})

	t.Run("reply per recipient", func(t *testing.T) {
		d := dial(t, p, peers.LMTP, nil)
		d.say("LHLO client.test", 250)
		d.say("MAIL FROM:<>", 250)
		d.say("RCPT TO:<"+peers.Nobody+"@"+peers.Domain+">", 550)
		d.say("RCPT TO:<"+peers.Carol.Mailbox()+">", 250)
		d.say("RCPT TO:<"+peers.Full+"@"+peers.Domain+">", 250)
		d.say("DATA", 354)
		d.say("Subject: two\r\n\r\n.", 250)
		d.expect("the full one's reply", 552)
	})
	t.Run("mechanisms", func(t *testing.T) {
		got := dial(t, p, peers.AuthClear, nil).say("EHLO client.test", 250)
		for _, m := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL", "XOAUTH2", "OAUTHBEARER"} {
			if !strings.Contains(got, m) {
				t.Errorf("%s missing in %q", m, got)
			}
		}
	})
	t.Run("token", func(t *testing.T) {
		bearer := func(token string) string {
			return base64.StdEncoding.EncodeToString([]byte("user=" + peers.Alice.User + "\x01auth=Bearer " + token + "\x01\x01"))
		}
		d := dial(t, p, peers.Submissions, config)
		d.say("EHLO client.test", 250)
		d.say("AUTH XOAUTH2 "+bearer("stale"), 334)
		d.say("", 535)
		d.say("AUTH XOAUTH2 "+bearer(peers.Token), 235)
	})
	t.Run("certificate", func(t *testing.T) {
		cert, err := site.ClientCert(peers.Alice.User)
		if err != nil {
			t.Fatal(err)
		}
		mutual := config.Clone()
		mutual.Certificates = []tls.Certificate{cert}
		d := dial(t, p, peers.Submissions, mutual)
		d.say("EHLO client.test", 250)
		d.say("AUTH EXTERNAL =", 235)
	})
}

func TestKerberos(t *testing.T) {
	realm := peers.NewKerberos()
	p := long(t, peers.NewDovecot(realm))
	site, err := peers.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := realm.Start(ctx, site); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := realm.Stop(); err != nil {
			t.Error(err)
		}
	})
	start(t, p)
	for _, a := range peers.Accounts() {
		if _, err := realm.Ticket(a); err != nil {
			t.Fatal(err)
		}
	}
	if got := dial(t, p, peers.AuthClear, nil).say("EHLO client.test", 250); !strings.Contains(got, "GSSAPI") {
		t.Errorf("GSSAPI missing in %q", got)
	}
}
