package parley_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport"
)

// tap keeps every octet that is written to what it dials.
type tap struct {
	transport.Dialer
	mu  sync.Mutex
	out []byte
}

func (d *tap) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tapped{nc, d}, nil
}

func (d *tap) octets() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.out)
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c *tapped) Write(p []byte) (int, error) {
	c.tap.mu.Lock()
	c.tap.out = append(c.tap.out, p...)
	c.tap.mu.Unlock()
	return c.Conn.Write(p)
}

// poisons are values that want to become a line of their own, or too much.
var poisons = map[string]string{
	"CRLF": "a\r\nEVIL x", "CR": "a\rEVIL x", "LF": "a\nEVIL x", "NUL": "a\x00EVIL x", "bracket": "a@b.example> EVIL=x",
	"look-alike": "a\u560d\u560aEVIL x", "separator": "a\u2028EVIL x\u0085EVIL", "long": strings.Repeat("a", 64<<10),
}

// severalLines are the rows that are made of lines.
var severalLines = map[string]bool{"MessageText": true, "HTML": true, "OtherHeaders": true}

var evilLine = regexp.MustCompile(`(?m)(^|[\r\n\x00])EVIL`)

// strung returns the fields of v that hold text, by their names.
func strung(v reflect.Value, prefix string, found map[string]reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+v.Type().Field(i).Name
		switch {
		case !v.Type().Field(i).IsExported():
		case f.Type() == reflect.TypeFor[auth.Secret](), f.Kind() == reflect.String:
			found[name] = f
		case f.Kind() == reflect.Struct && f.Type().PkgPath() == reflect.TypeFor[parley.SMTP]().PkgPath():
			strung(f, name+".", found)
		case f.Kind() == reflect.Slice && f.Type().Elem() == reflect.TypeFor[parley.Recipient]():
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			f.Index(0).Field(0).SetString("c@y.example")
			strung(f.Index(0), name+".", found)
		}
	}
}

// guarded returns a class that uses every row: a firewall, a login, a message with all
// fields.
func guarded(t *testing.T, peer *smtptest.Peer) (*parley.SMTP, *tap) {
	s := parley.New()
	d := &tap{Dialer: (&gate{peer: peer}).start(t)}
	s.Dialer, s.MailServer, s.Hello = d, "mx.example", "client.example"
	s.User, s.Password, s.AllowPlaintextAuth = "alice", secretOf("secret"), true
	s.MailPort = 587 // at which the gate asks who it is
	s.Firewall.Type, s.Firewall.Host, s.Firewall.User, s.Firewall.Password = parley.FirewallTunnel, "gate.example", "me", secretOf("pw")
	s.From, s.SendTo, s.Subject, s.MessageText = "a@x.example", "b@y.example", "hi", "hello\r\n"
	return s, d
}

// No text of any row becomes a command, a parameter or a header line of its own. What
// cannot be sent is a typed error, and then nothing has been written at all.
func TestNoRowInjects(t *testing.T) {
	peer := smtptest.Server(t, func(s *sink.Server) { s.Auth = sink.Auth{Users: map[string]string{"alice": "secret"}, Clear: true} })
	names := map[string]reflect.Value{}
	strung(reflect.ValueOf(&parley.New().Properties).Elem(), "", names)
	if len(names) < 50 {
		t.Fatalf("only %d rows of text were found", len(names))
	}
	for name := range names {
		for poison, value := range poisons {
			for _, secured := range []bool{false, true} {
				s, d := guarded(t, peer)
				if secured {
					s.SSLStartMode, s.SSLAcceptAnyServerCert = parley.SSLExplicit, true
					if strings.Contains(name, "MessageRecipients") || !strings.Contains(name, "SSL") {
						continue
					}
				}
				fields := map[string]reflect.Value{}
				strung(reflect.ValueOf(&s.Properties).Elem(), "", fields)
				if !strings.HasPrefix(name, "MessageRecipients") {
					s.MessageRecipients = nil
				}
				if f := fields[name]; f.Kind() == reflect.String {
					f.SetString(value)
				} else {
					f.Set(reflect.ValueOf(auth.NewSecret(value)))
				}
				_, err := s.Send(t.Context())
				out := d.octets()
				if !severalLines[name] && evilLine.MatchString(out) {
					t.Errorf("%s, %s: it got through: %.2000q", name, poison, out)
				}
				if i := strings.Index(out, "> EVIL="); i >= 0 && strings.Contains(out[:i], "\r\nMAIL") && !strings.Contains(out[:i], "\r\nDATA\r\n") {
					t.Errorf("%s, %s: a parameter got through: %q", name, poison, out)
				}
				if err == nil {
					control := poison == "CRLF" || poison == "CR" || poison == "LF" || poison == "NUL"
					if control && !severalLines[name] && !strings.HasPrefix(name, "SSL.") && name != "Firewall.Exceptions" {
						t.Errorf("%s, %s: nobody minds", name, poison)
					}
					continue
				}
				var typed *parley.Error
				var setting *parley.SettingError
				if !errors.As(err, &typed) && !errors.As(err, &setting) && !errors.Is(err, parley.ErrNoSender) && !errors.Is(err, parley.ErrNoRecipient) {
					t.Errorf("%s, %s: an error without a type: %T %v", name, poison, err, err)
				}
				local := errors.Is(err, parley.ErrMisuse) || errors.Is(err, parley.ErrContent)
				if local && out != "" {
					t.Errorf("%s, %s: refused too late, after %.300q: %v", name, poison, out, err)
				}
				if len(err.Error()) > 4000 {
					t.Errorf("%s, %s: the error has %d octets", name, poison, len(err.Error()))
				}
			}
		}
	}
}
