package sink_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/transport/mem"
)

func TestStartTLS(t *testing.T) {
	srv := server(t, "PIPELINING STARTTLS REQUIRETLS ENHANCEDSTATUSCODES")
	conf := withTLS(t, srv)
	srv.RequireTLS = true
	playTLS(t, srv, hello("PIPELINING", "ENHANCEDSTATUSCODES", "STARTTLS")+`
		C: MAIL FROM:<>
		S: 530 5.7.0 {any}
		C: STARTTLS now
		S: 501 5.5.4 {any}
		C: STARTTLS
		S: 220 2.0.0 {any}
		TLS:
		C: MAIL FROM:<>
		S: 503 5.5.1 {any}
		C: EHLO client.example
		S: 250-mx.example greets you
		S: 250-PIPELINING
		S: 250-ENHANCEDSTATUSCODES
		S: 250 REQUIRETLS
		C: STARTTLS
		S: 503 5.5.1 {any}
		C: MAIL FROM:<> REQUIRETLS
		S: 250 {any}`+quit, conf)
	if s := srv.Stats(); s.Secured != 1 {
		t.Errorf("%+v", s)
	}
}

// The transaction and the names from before TLS are forgotten (RFC 3207 §4.2).
func TestStartTLSForgets(t *testing.T) {
	srv := server(t, "STARTTLS")
	conf := withTLS(t, srv)
	playTLS(t, srv, hello("STARTTLS")+`
		C: MAIL FROM:<>
		S: 250 {any}
		C: STARTTLS
		S: 220 {any}
		TLS:
		C: RCPT TO:<b@y.example>
		S: 503 {any}
		C: EHLO client.example
		S: 250 mx.example greets you
		C: RCPT TO:<b@y.example>
		S: 503 {any}`+quit, conf)
}

// Commands in clear behind STARTTLS are not executed, whatever is tolerated.
func TestStartTLSInjection(t *testing.T) {
	srv := server(t, "PIPELINING STARTTLS")
	srv.Tolerance = sink.InputAhead
	withTLS(t, srv)
	play(t, srv, hello("PIPELINING", "STARTTLS")+"C: STARTTLS\nC: NOOP\nS: 503 {any}\nX: eof")
}

// A handshake that fails leaves nothing to be said.
func TestStartTLSFails(t *testing.T) {
	srv := server(t, "STARTTLS")
	withTLS(t, srv)
	var errs []error
	srv.OnError = func(_ net.Addr, err error) { errs = append(errs, err) }
	play(t, srv, hello("STARTTLS")+"C: STARTTLS\nS: 220 {any}\nC: NOOP\nX: eof")
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "handshake") {
		t.Errorf("%v", errs)
	}
}

func TestImplicitTLS(t *testing.T) {
	srv := server(t, "STARTTLS")
	conf := withTLS(t, srv)
	memory := &sink.Memory{}
	srv.Store = memory
	l := mem.Listen("mx.example", mem.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(ctx, l) }()
	nc, err := l.DialContext(ctx, "", "")
	if err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(tls.Client(nc, conf))
	for _, step := range []struct {
		send string
		code int
	}{{"", 220}, {"EHLO x", 250}, {"MAIL FROM:<>", 250}, {"RCPT TO:<b@y.example>", 250}, {"DATA", 354}, {".", 250}, {"QUIT", 221}} {
		if step.send != "" {
			if err := c.PrintfLine("%s", step.send); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.ReadResponse(step.code); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := memory.Messages(); len(got) != 1 || got[0].TLS == nil || got[0].TLS.Version != tls.VersionTLS13 || got[0].Hello != "x" {
		t.Errorf("%+v", got)
	}
	srv.TLS = nil
	if err := srv.ServeTLS(context.Background(), mem.Listen("", mem.Options{})); err == nil {
		t.Error("ServeTLS without a configuration")
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func authServer(t *testing.T) *sink.Server {
	t.Helper()
	srv := server(t, "AUTH ENHANCEDSTATUSCODES")
	srv.Auth = sink.Auth{Users: map[string]string{"user": "pencil"}, Clear: true, Required: true}
	return srv
}

func TestAuth(t *testing.T) {
	good, bad := b64("\x00user\x00pencil"), b64("\x00user\x00wrong")
	const done, refused = "S: 235 2.7.0 {any}\n", "S: 535 5.7.8 {any}\n"
	for _, tt := range []struct{ name, script string }{
		{"PLAIN", "C: auth plain " + good + "\n" + done + "C: AUTH PLAIN\nS: 503 5.5.1 {any}\nC: MAIL FROM:<>\nS: 250 {any}"},
		{"PLAIN without initial response", "C: AUTH PLAIN\nS| 334 \\r\\n\nC: " + good + "\n" + done},
		{"PLAIN as oneself", "C: AUTH PLAIN " + b64("user\x00user\x00pencil") + "\n" + done},
		{"PLAIN as another", "C: AUTH PLAIN " + b64("root\x00user\x00pencil") + "\n" + refused},
		{"PLAIN wrong", "C: AUTH PLAIN " + bad + "\n" + refused + "C: AUTH PLAIN " + good + "\n" + done},
		{"PLAIN unknown user", "C: AUTH PLAIN " + b64("\x00nobody\x00") + "\n" + refused},
		{"PLAIN without fields", "C: AUTH PLAIN " + b64("user pencil") + "\n" + refused},
		{"empty initial response", "C: AUTH PLAIN =\n" + refused},
		{"LOGIN", "C: AUTH LOGIN\nS: 334 " + b64("Username:") + "\nC: " + b64("user") + "\nS: 334 " + b64("Password:") + "\nC: " + b64("pencil") + "\n" + done},
		{"LOGIN with initial response", "C: AUTH LOGIN " + b64("user") + "\nS: 334 " + b64("Password:") + "\nC: " + b64("no") + "\n" + refused},
		{"cancelled", "C: AUTH LOGIN\nS: 334 {any}\nC: *\nS: 501 5.0.0 {any}"},
		{"not base64", "C: AUTH PLAIN !!\nS: 501 5.5.2 {any}\nC: AUTH PLAIN QQ==QQ==\nS: 501 5.5.2 {any}\nC: AUTH LOGIN\nS: 334 {any}\nC: !\nS: 501 5.5.2 {any}"},
		{"unknown", "C: AUTH FOO\nS: 504 5.5.4 {any}\nC: AUTH\nS: 501 5.5.4 {any}\nC: AUTH SCRAM-SHA-256-PLUS\nS: 504 5.5.4 {any}"},
		{"server speaks first", "C: AUTH CRAM-MD5 " + b64("x") + "\nS: 501 5.7.0 {any}\nC: AUTH CRAM-MD5\nS: 334 {any}\nC: " + b64("user 00") + "\n" + refused + "C: AUTH CRAM-MD5\nS: 334 {any}\nC:\n" + refused},
		{"long line", "C: AUTH PLAIN\nS| 334 \\r\\n\nC: " + strings.Repeat("QUFB", 3071) + "\n" + refused + "C: AUTH PLAIN\nS| 334 \\r\\n\nC: " + strings.Repeat("QUFB", 3072) + "\nS: 500 5.5.6 {any}"},
		{"required", "C: MAIL FROM:<>\nS: 530 5.7.0 {any}\nC: RSET\nS: 250 {any}\nC: NOOP\nS: 250 {any}"},
		{"HELO has none", "C: HELO x\nS: 250 mx.example\nC: AUTH PLAIN " + good + "\nS: 503 5.5.1 {any}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, authServer(t), hello("ENHANCEDSTATUSCODES", "AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN")+tt.script+quit)
		})
	}
}

// An exchange that is cut, or run ahead of, ends the session and logs nobody in.
func TestAuthCut(t *testing.T) {
	opening := hello("ENHANCEDSTATUSCODES", "AUTH {any}") + "C: AUTH PLAIN\nS| 334 \\r\\n\n"
	srv := authServer(t)
	play(t, srv, opening+"X: close")
	play(t, srv, opening+"C: "+b64("\x00user\x00pencil")+"\nC: MAIL FROM:<>\nS: 503 5.5.0 {any}\nX: eof")
	play(t, srv, hello("ENHANCEDSTATUSCODES", "AUTH {any}")+"C: AUTH PLAIN\nC: "+b64("\x00user\x00pencil")+"\nS: 503 5.5.0 {any}\nX: eof")
	if s := srv.Stats(); s.LoggedIn != 0 || s.Violations != 2 {
		t.Errorf("%+v", s)
	}
}

func TestAuthInTransaction(t *testing.T) {
	srv := authServer(t)
	srv.Auth.Required, srv.Auth.Clear = false, false
	play(t, srv, hello("ENHANCEDSTATUSCODES", "AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5")+`
		C: AUTH PLAIN
		S: 538 5.7.11 {any}
		C: MAIL FROM:<>
		S: 250 {any}
		C: AUTH CRAM-MD5
		S: 503 5.5.1 {any}`+quit)
	srv.RequireTLS = true
	play(t, srv, hello("ENHANCEDSTATUSCODES")+"C: AUTH CRAM-MD5\nS: 530 5.7.0 {any}"+quit)
}

// converse says EHLO and runs an exchange; answer makes responses of challenges.
func converse(t *testing.T, srv *sink.Server, conf *tls.Config, mechanism string, initial func(*tls.Conn) string, answer func(string) string) string {
	t.Helper()
	client, server := mem.Pipe(mem.Options{})
	done := make(chan struct{})
	go func() { defer close(done); srv.ServeConn(context.Background(), server) }()
	defer func() { <-done }()
	defer client.Close()
	c := textproto.NewConn(client)
	cmd := func(code int, format string, args ...any) string {
		t.Helper()
		if format != "" {
			if err := c.PrintfLine(format, args...); err != nil {
				t.Fatal(err)
			}
		}
		_, text, err := c.ReadResponse(code)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	cmd(220, "")
	cmd(250, "EHLO client.example")
	var link *tls.Conn
	if conf != nil {
		cmd(220, "STARTTLS")
		link = tls.Client(client, conf)
		c = textproto.NewConn(link)
		cmd(250, "EHLO client.example")
	}
	line := "AUTH " + mechanism
	if initial != nil {
		line += " " + b64(initial(link))
	}
	for {
		if err := c.PrintfLine("%s", line); err != nil {
			t.Fatal(err)
		}
		code, text, err := c.ReadCodeLine(0)
		if code != 334 {
			return fmt.Sprint(code, " ", strings.Fields(fmt.Sprint(text, err))[0])
		}
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		line = b64(answer(string(challenge)))
	}
}

func TestCRAMMD5(t *testing.T) {
	for password, want := range map[string]string{"pencil": "235 2.7.0", "pen": "535 5.7.8"} {
		got := converse(t, authServer(t), nil, "CRAM-MD5", nil, func(challenge string) string {
			mac := hmac.New(md5.New, []byte(password))
			mac.Write([]byte(challenge))
			return "user " + hex.EncodeToString(mac.Sum(nil))
		})
		if got != want {
			t.Errorf("%s: %s", password, got)
		}
	}
}

func TestSCRAM(t *testing.T) {
	srv := authServer(t)
	srv.Extensions |= sink.StartTLS
	conf := withTLS(t, srv)
	for _, tt := range []struct {
		name, mechanism, password, want string
		tls                             bool
		bind                            string // "", "plus", "could" (the y flag)
	}{
		{"right", "SCRAM-SHA-256", "pencil", "235 2.7.0", false, ""},
		{"SHA-1", "SCRAM-SHA-1", "pencil", "235 2.7.0", false, ""},
		{"wrong", "SCRAM-SHA-256", "pen", "535 5.7.8", false, ""},
		{"plus", "SCRAM-SHA-256-PLUS", "pencil", "235 2.7.0", true, "plus"},
		{"plus without binding", "SCRAM-SHA-256-PLUS", "pencil", "535 5.7.8", true, ""},
		{"TLS without plus", "SCRAM-SHA-256", "pencil", "235 2.7.0", true, ""},
		{"TLS, downgraded", "SCRAM-SHA-256", "pencil", "535 5.7.8", true, "could"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hash := scram.SHA256
			if tt.mechanism == "SCRAM-SHA-1" {
				hash = scram.SHA1
			}
			client, err := hash.NewClient("user", tt.password, "")
			if err != nil {
				t.Fatal(err)
			}
			var talk *scram.ClientConversation
			step := func(challenge string) string {
				response, err := talk.Step(challenge)
				if err != nil {
					return "*" // our own library gave up
				}
				return response
			}
			initial := func(link *tls.Conn) string {
				talk = client.NewConversation()
				if tt.bind == "plus" {
					state := link.ConnectionState()
					binding, err := scram.NewTLSExporterBinding(&state)
					if err != nil {
						t.Fatal(err)
					}
					talk = client.NewConversationWithChannelBinding(binding)
				}
				first := step("")
				if tt.bind == "could" {
					first = strings.Replace(first, "n,", "y,", 1)
				}
				return first
			}
			if !tt.tls {
				if got := converse(t, srv, nil, tt.mechanism, initial, step); got != tt.want {
					t.Error(got)
				}
				return
			}
			if got := converse(t, srv, conf, tt.mechanism, initial, step); got != tt.want {
				t.Error(got)
			}
		})
	}
}
