//go:build interop

package interop_test

import (
	"crypto/tls"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/interop/peers"
)

// dialogue speaks SMTP octet by octet. It proves that a peer is alive without
// this project's client, so that a failure has one possible cause.
type dialogue struct {
	t    testing.TB
	conn net.Conn
	text *textproto.Conn
}

// dial connects to a port of a peer and reads the greeting.
func dial(t testing.TB, p peers.Peer, kind peers.Kind, secure *tls.Config) *dialogue {
	t.Helper()
	addr := p.Addr(kind)
	if addr == "" {
		t.Fatalf("%s has no port %s", p.Name(), kind)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		conn = tls.Client(conn, secure)
	}
	d := &dialogue{t: t, conn: conn, text: textproto.NewConn(conn)}
	d.expect("greeting", 220)
	return d
}

// say sends a line and returns the reply, which must have the code; code 2 means
// any 2yz.
func (d *dialogue) say(line string, code int) string {
	d.t.Helper()
	if err := d.text.PrintfLine("%s", line); err != nil {
		d.t.Fatalf("%s: %v", line, err)
	}
	return d.expect(line, code)
}

func (d *dialogue) expect(what string, code int) string {
	d.t.Helper()
	_, message, err := d.text.ReadResponse(code)
	if err != nil {
		d.t.Fatalf("%s: %v, want %d", what, err, code)
	}
	return message
}

// startTLS upgrades the connection and says EHLO again.
func (d *dialogue) startTLS(config *tls.Config) string {
	d.t.Helper()
	d.say("STARTTLS", 220)
	c := tls.Client(d.conn, config)
	if err := c.Handshake(); err != nil {
		d.t.Fatalf("TLS: %v", err)
	}
	d.conn, d.text = c, textproto.NewConn(c)
	return d.say("EHLO client.test", 250)
}

// message sends one message with lines ended by LF.
func (d *dialogue) message(to, content string) {
	d.t.Helper()
	d.say("MAIL FROM:<sender@client.test>", 250)
	d.say("RCPT TO:<"+to+">", 2)
	d.say("DATA", 354)
	wire := strings.ReplaceAll(strings.ReplaceAll("\n"+content, "\n.", "\n.."), "\n", "\r\n")[2:]
	if _, err := d.conn.Write([]byte(wire + ".\r\n")); err != nil {
		d.t.Fatal(err)
	}
	d.expect("content", 2)
}
