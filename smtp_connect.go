package parley

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/fsm"
)

// Connect opens a session: the connection, through the firewall if there is one, the
// greeting, EHLO, TLS as SSLStartMode says, and AUTH if there is a User. A failure leaves
// the object disconnected.
func (s *SMTP) Connect(ctx context.Context) error {
	done, ctx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if s.state.connected.Load() {
		return ErrConnected
	}
	return s.connect(ctx)
}

// Disconnect says QUIT, waits for the answer as long as Timeout allows, and closes. Not
// to be connected is no error, and neither is what the server makes of QUIT.
func (s *SMTP) Disconnect(ctx context.Context) error {
	done, ctx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.disconnect(ctx)
}

func (s *SMTP) connect(ctx context.Context) error {
	s.drop()
	e, err := s.endpoint()
	if err != nil {
		return err
	}
	c, err := Dial(ctx, e)
	if err != nil {
		s.release()
		return err
	}
	s.state.conn, s.state.opened = c, s.opening()
	s.state.connected.Store(true)
	security := c.Security()
	s.state.security.Store(&security)
	local := c.NetConn().LocalAddr().String()
	s.state.local.Store(&local)
	if security.Secure && len(security.PeerCertificates) > 0 {
		s.state.serverCert.Store(security.PeerCertificates[0])
	}
	return nil
}

// localAddr returns the address that the connection is made from, or what the fields say.
func (s *SMTP) localAddr() (host, port string) {
	if a := s.state.local.Load(); a != nil && s.Connected() {
		host, port, _ = net.SplitHostPort(*a)
		return host, port
	}
	return s.LocalHost, strconv.Itoa(s.LocalPort)
}

func (s *SMTP) disconnect(ctx context.Context) error {
	if s.state.conn == nil {
		return nil
	}
	err := s.state.conn.Quit(ctx)
	s.drop()
	return err
}

// drop forgets a connection.
func (s *SMTP) drop() {
	if s.state.conn != nil {
		s.state.conn.Close()
		s.state.conn = nil
	}
	s.state.connected.Store(false)
	s.release()
}

// release gives the machine back.
func (s *SMTP) release() {
	if s.state.machine != nil {
		s.state.machine.Release()
		s.state.machine = nil
	}
}

// with runs f with an open session, which it opens and ends itself if there is none. How
// that ends does not change what f has done.
func (s *SMTP) with(ctx context.Context, f func(*Conn) error) error {
	if s.state.connected.Load() {
		if err := s.unchanged(); err != nil {
			return err
		}
		return f(s.state.conn)
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	err := f(s.state.conn)
	s.disconnect(ctx)
	return err
}

// opened is what cannot change while connected.
type opened struct {
	server, localHost     string
	port, localPort, line int
}

func (s *SMTP) opening() opened {
	return opened{s.MailServer, s.LocalHost, s.MailPort, s.LocalPort, s.MaxLineLength}
}

// unchanged refuses fields that were changed although the session is open.
func (s *SMTP) unchanged() error {
	was, is := s.state.opened, s.opening()
	for _, c := range []struct {
		name    string
		changed bool
	}{
		{"MailServer", was.server != is.server},
		{"MailPort", was.port != is.port},
		{"LocalHost", was.localHost != is.localHost},
		{"LocalPort", was.localPort != is.localPort},
		{"MaxLineLength", was.line != is.line},
	} {
		if c.changed {
			return &SettingError{Name: c.name, Err: ErrFrozen}
		}
	}
	return nil
}

// endpoint puts the properties together.
func (s *SMTP) endpoint() (*Endpoint, error) {
	if s.MailServer == "" {
		return nil, ErrNoServer
	}
	e := &Endpoint{Network: s.Network, Address: s.MailServer, Session: s.Session, Events: &s.Events, MaxRate: s.MaxTransferRate}
	port := s.MailPort
	if port == 0 {
		port = 25
	}
	if port < 1 || port > 65535 {
		return nil, &Error{Kind: ErrMisuse, Detail: "MailPort: " + strconv.Itoa(port) + " is no port"}
	}
	if s.Network != "unix" {
		if strings.ContainsAny(s.MailServer, "\r\n\x00 \t/") {
			return nil, &Error{Kind: ErrMisuse, Detail: "MailServer: no host has such a name"}
		}
		e.Address = net.JoinHostPort(strings.TrimPrefix(s.MailServer, "*"), strconv.Itoa(port))
	}
	e.Session.LMTP = s.LMTP || e.Session.LMTP
	e.Session.NoExtensions = !s.AllowExtensions && !s.LMTP
	e.Session.Hello = s.Hello
	if e.Session.Hello == "" {
		e.Session.Hello = helloName()
	}
	e.Session.RsetEach = s.SendRSET
	if s.MaxLineLength > 0 {
		e.Session.Limits.Line = max(s.MaxLineLength, 256)
	}
	if e.Session.Machine == nil && !s.Compiled {
		s.state.machine = fsm.NewLooplab()
		e.Session.Machine = s.state.machine
	}
	if _, err := codec.AppendEhlo(nil, e.Session.Hello); err != nil {
		return nil, rowError("Hello", err)
	}
	s.times(e)
	if err := s.credentials(e); err != nil {
		return nil, err
	}
	if err := s.security(e, port); err != nil {
		return nil, err
	}
	dialer, err := s.route()
	if err != nil {
		return nil, err
	}
	e.Dialer, e.firewall = dialer, func() bool { return s.state.firewalled }
	return e, nil
}

// helloName is this host's name, or an address literal if that will not do (RFC 5321
// §4.1.3).
func helloName() string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") {
		if _, err := codec.AppendEhlo(nil, name); err == nil {
			return name
		}
	}
	return "[127.0.0.1]"
}

// times are the timers. The answer to the end of the content is waited for as long as RFC
// 5321 §4.5.3.2.6 says, whatever Timeout is: who gives up there sends the message twice.
// AbsoluteTimeout and the context cut it short all the same.
func (s *SMTP) times(e *Endpoint) {
	e.ConnectTimeout = s.ConnectionTimeout
	if e.ConnectTimeout <= 0 {
		e.ConnectTimeout = s.Timeout
	}
	if s.Timeout <= 0 || s.AbsoluteTimeout {
		return
	}
	timeout := s.Timeout
	e.BlockTimeout = timeout
	e.Patience = func(c fsm.Command) time.Duration {
		switch {
		case c.EndsContent():
			return max(timeout, c.Patience())
		case c == fsm.Connect:
			return e.ConnectTimeout
		}
		return timeout
	}
}

// AuthMechanism chooses how to authenticate, by the numbers of such classes.
type AuthMechanism uint8

// The mechanisms. AuthAuto is the default of New and means the strongest that the server
// offers and the credentials fit.
const (
	AuthAuto      AuthMechanism = iota
	AuthPassword                // 0: LOGIN, or PLAIN where there is no LOGIN
	AuthCRAMMD5                 // 1
	AuthNTLM                    // 2
	AuthAPOP                    // 3: for POP only, an error here
	AuthPlain                   // 4
	AuthDigestMD5               // 5
	AuthKerberos                // 6: GSSAPI; the mechanism comes in Credentials.Extra
	AuthXOAUTH2                 // 7
	AuthSCRAM                   // the SCRAM family, beyond those numbers
)

var mechanismNames = map[AuthMechanism][]string{
	AuthPassword: {"LOGIN", "PLAIN"}, AuthCRAMMD5: {"CRAM-MD5"}, AuthNTLM: {"NTLM"}, AuthPlain: {"PLAIN"}, AuthDigestMD5: {"DIGEST-MD5"},
	AuthKerberos: {"GSSAPI"}, AuthXOAUTH2: {"XOAUTH2"},
	AuthSCRAM: {"SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"},
}

// credentials are those given as a whole, or those of the rows.
func (s *SMTP) credentials(e *Endpoint) error {
	e.AuthPolicy = s.AuthPolicy
	e.AuthPolicy.AllowPlaintext = e.AuthPolicy.AllowPlaintext || s.AllowPlaintextAuth
	e.AuthPolicy.AllowLoopback = true
	e.AuthPolicy.AllowUnverified = e.AuthPolicy.AllowUnverified || s.SSLAcceptAnyServerCert
	if s.Credentials != nil {
		e.Credentials = s.Credentials
		return nil
	}
	if s.User == "" {
		return nil
	}
	for row, text := range map[string]string{"User": s.User, "Password": s.Password.Reveal(), "AuthorizationIdentity": s.AuthorizationIdentity.Reveal()} {
		if strings.ContainsAny(text, "\x00\r\n") {
			return &Error{Kind: ErrMisuse, Detail: row + ": a NUL, CR or LF is in it (RFC 4616 §2, RFC 4013 §2.3)"}
		}
	}
	c := &auth.Credentials{User: s.User, Password: s.Password}
	if s.AuthMechanism == AuthXOAUTH2 {
		c.Token = s.AuthorizationIdentity
	} else {
		c.AuthzID = s.AuthorizationIdentity.Reveal()
	}
	e.Credentials = c
	if names := mechanismNames[s.AuthMechanism]; names != nil && len(e.AuthPolicy.Mechanisms) == 0 {
		e.AuthPolicy.Mechanisms = names
	}
	if s.AuthMechanism == AuthAPOP {
		return &Error{Kind: ErrMisuse, Detail: "AuthMechanism: APOP is for POP (RFC 1939 §7)"}
	}
	return nil
}
