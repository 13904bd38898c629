package session_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

const secret = "s3cr3t-and-long"

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// AUTH exchanges, and what a server may answer (RFC 4954).
func TestAuth(t *testing.T) {
	tls := session.Link{Secure: true, Verified: true, Host: "mx.example"}
	offer := func(mechs string) string {
		return "S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\nS: 250 AUTH " + mechs + "\n"
	}
	const bye = "C: QUIT\nS: 221 bye"
	plain := b64("\x00alice\x00" + secret)
	long := strings.Repeat("x", 600)
	creds := auth.Credentials{User: "alice", Password: auth.NewSecret(secret)}
	for _, sc := range []scenario{
		{
			name: "PLAIN", link: tls,
			script: offer("plain login") + "A:\nC: AUTH PLAIN " + plain + "\nS: 235 welcome\n" + bye,
			events: []events.Kind{events.KindAuthenticated, events.KindClosed},
			check: func(t *testing.T, s *session.Session, _ []events.Event) {
				if s.Authenticated() != "PLAIN" {
					t.Errorf("authenticated by %q", s.Authenticated())
				}
			},
		},
		{
			name: "LOGIN, prompts counted and not read", link: tls,
			script: offer("LOGIN") + "A:\nC: AUTH LOGIN\nS: 334 who?\nC: " + b64("alice") + "\nS: 334\nC: " + b64(secret) + "\nS: 235 welcome\n" + bye,
		},
		{
			name: "LOGIN, a third prompt", link: tls, kind: session.ErrAuth,
			script: offer("LOGIN") + "A:\nC: AUTH LOGIN\nS: 334\nC: " + b64("alice") + "\nS: 334\nC: " + b64(secret) + "\nS: 334 again\nC: *\nS: 501 cancelled\n" + bye,
		},
		{
			name: "an initial response that is too long", link: tls,
			creds:  auth.Credentials{User: "alice", Token: auth.NewSecret(long)},
			script: offer("XOAUTH2") + "A:\nC: AUTH XOAUTH2\nS: 334\nC: " + b64("user=alice\x01auth=Bearer "+long+"\x01\x01") + "\nS: 235 welcome\n" + bye,
		},
		{
			name: "the server speaks first where the client does", link: tls, kind: session.ErrAuth,
			creds:  auth.Credentials{User: "alice", Token: auth.NewSecret(long)},
			script: offer("XOAUTH2") + "A:\nC: AUTH XOAUTH2\nS: 334 " + b64("hello") + "\nC: *\nS: 501 cancelled\n" + bye,
		},
		{
			name: "refused", link: tls, kind: session.ErrAuth,
			script: offer("PLAIN LOGIN") + "A:\nC: AUTH PLAIN " + plain + "\nS: 535 5.7.8 no\n" + bye,
		},
		{
			name: "refused for now", link: tls, kind: session.ErrAuth,
			script: offer("PLAIN LOGIN") + "A:\nC: AUTH PLAIN " + plain + "\nS: 454 4.7.0 later\n" + bye,
			check: func(t *testing.T, s *session.Session, _ []events.Event) {
				if e := s.Err().(*session.Error); !e.Temporary() {
					t.Errorf("%v is not temporary", e)
				}
			},
		},
		{
			name: "the mechanism is refused, another one is tried", link: tls,
			script: offer("PLAIN LOGIN") + "A:\nC: AUTH PLAIN " + plain + "\nS: 504 unknown\nC: AUTH LOGIN\nS: 334\nC: " + b64("alice") + "\nS: 334\nC: " + b64(secret) + "\nS: 235 ok\n" + bye,
		},
		{
			name: "a challenge that is not base64", link: tls, kind: session.ErrAuth,
			script: offer("SCRAM-SHA-256") + "A:\nC: AUTH SCRAM-SHA-256 {any}\nS: 334 ***\nC: *\nS: 501 cancelled\n" + bye,
		},
		{
			name: "success without the server's proof", link: tls, kind: session.ErrAuth,
			script: offer("SCRAM-SHA-256") + "A:\nC: AUTH SCRAM-SHA-256 {any}\nS: 235 welcome\n" + bye,
		},
		{
			name: "an odd success", link: tls,
			script: offer("PLAIN") + "A:\nC: AUTH PLAIN " + plain + "\nS: 250 welcome\n" + bye,
			check: func(t *testing.T, s *session.Session, _ []events.Event) {
				if !s.Stats().Anomalies.Has(codec.OddSuccess) {
					t.Error("no anomaly")
				}
			},
		},
		{
			name: "not offered", link: tls, kind: session.ErrUnsupported,
			script: "S: 220 mx.example\nC: EHLO localhost\nS: 250 mx.example\n" + bye,
		},
		{
			name: "in clear", kind: session.ErrAuth,
			script: offer("PLAIN LOGIN") + "A:\n" + bye,
		},
		{
			name: "in clear, allowed", policy: auth.Policy{AllowPlaintext: true},
			script: offer("PLAIN") + "A:\nC: AUTH PLAIN " + plain + "\nS: 235 welcome\n" + bye,
		},
		{
			name: "no credentials", link: tls, kind: session.ErrAuth,
			script: offer("PLAIN") + "A: none\n" + bye,
		},
		{
			name: "421 within", link: tls, kind: session.ErrRefused, state: fsm.Failed,
			script: offer("LOGIN") + "A:\nC: AUTH LOGIN\nS: 421 bye",
		},
		{
			name: "without EHLO", link: tls, kind: session.ErrUnsupported,
			script: "S: 220 mx.example\nC: EHLO localhost\nS: 502 what\n" + bye,
		},
	} {
		sc.cfg.Authenticate = true
		if sc.creds.User == "" {
			sc.creds = creds
		}
		if sc.state == 0 {
			sc.state = fsm.Closed
		}
		sc.begin = func(s *session.Session) []*session.Transaction { return nil }
		check := sc.check
		sc.check = func(t *testing.T, s *session.Session, all []events.Event) {
			if check != nil {
				check(t, s, all)
			}
			for _, e := range all {
				line := string(events.AppendJSON(nil, e)) + fmt.Sprintf("%+v", e)
				for _, leak := range []string{secret, plain, b64(secret), long, b64(long)[:400]} {
					if strings.Contains(line, leak) {
						t.Errorf("event %v leaks: %s", e.Kind(), line)
					}
				}
			}
		}
		// The end comes when the exchange is over, not before it begins.
		sc.script = strings.Replace(sc.script, "C: QUIT", "Q:\nC: QUIT", 1)
		sc.play(t)
	}
}
