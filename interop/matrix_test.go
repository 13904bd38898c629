//go:build interop

package interop_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/proxy"
	"github.com/parley-mail/parley/transport/utls"
)

// matrix is what docs/interop.md shows: for each peer a table of cells, each "ok" or the
// reason why there is none.
type matrix struct{ doc strings.Builder }

// table writes one table.
func (m *matrix) table(title string, columns []string, rows [][]string) {
	fmt.Fprintf(&m.doc, "\n## %s\n\n| %s |\n|%s\n", title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		fmt.Fprintf(&m.doc, "| %s |\n", strings.Join(r, " | "))
	}
}

// modes are the ways of sending content.
var modes = []struct {
	name string
	set  func(*session.Config)
	need func(*parley.Conn) bool
}{
	{"DATA, lock-step", func(c *session.Config) { c.Serial, c.Data = true, session.DataOnly }, func(*parley.Conn) bool { return true }},
	{"DATA, pipelined", func(c *session.Config) { c.Data = session.DataOnly }, func(c *parley.Conn) bool { return c.Extensions().Pipelining }},
	{"BDAT", func(c *session.Config) { c.Data = session.DataBDAT }, func(c *parley.Conn) bool { return c.Extensions().Chunking }},
}

// run is one peer and how many messages it has got so far.
type run struct {
	t    *testing.T
	p    peers.Peer
	site *peers.Site
	to   peers.Account
	n    int
}

// cell sends one message, whose octets must arrive, and returns "ok" or why there is no
// such cell. need tells from the session whether the peer can do it at all.
func (r *run) cell(name string, e *parley.Endpoint, need func(*parley.Conn) bool) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	c, err := parley.Dial(ctx, e)
	if err != nil {
		return r.failed(name, err)
	}
	defer c.Close()
	if need != nil && !need(c) {
		c.Quit(ctx)
		return "not offered"
	}
	sent := head + "." + name + "\r\n..\r\nend"
	result, err := c.Deliver(ctx, mail(sent, r.to))
	if err != nil || result.Outcome() != parley.OutcomeAccepted {
		return r.failed(name, err)
	}
	c.Quit(ctx)
	r.n++
	if got, want := arrived(r.t, r.p, r.to.User, r.n), stored(sent); got != want {
		r.t.Errorf("%s: stored %q, sent %q", name, got, want)
		return "altered"
	}
	return "ok"
}

func (r *run) failed(name string, err error) string {
	r.t.Helper()
	r.t.Errorf("%s: %v", name, err)
	return "FAILED"
}

// ports fills the table of ports and modes.
func (r *run) ports(m *matrix, title string, kinds ...peers.Kind) {
	columns := []string{"port"}
	for _, mode := range modes {
		columns = append(columns, mode.name)
	}
	var rows [][]string
	for _, kind := range kinds {
		row := []string{string(kind)}
		for _, mode := range modes {
			e := endpoint(r.p, r.site, kind)
			mode.set(&e.Session)
			row = append(row, r.cell(fmt.Sprintf("%s, %s", kind, mode.name), e, mode.need))
		}
		rows = append(rows, row)
	}
	m.table(title, columns, rows)
}

// engines fills the table of TLS engines and kinds of TLS: what the standard library does,
// what the other engine does, and that with each hello it can imitate.
func (r *run) engines(m *matrix, title string, startTLS, implicit peers.Kind) {
	rows := [][]string{r.engine("std", "", startTLS, implicit), r.engine("utls", "", startTLS, implicit)}
	for _, hello := range utls.Profiles() {
		rows = append(rows, r.engine("utls", hello, startTLS, implicit))
	}
	m.table(title, []string{"engine", "hello", "STARTTLS", "implicit TLS"}, rows)
}

func (r *run) engine(engine, hello string, kinds ...peers.Kind) []string {
	row := []string{engine, cmp.Or(hello, "its own")}
	for _, kind := range kinds {
		e := endpoint(r.p, r.site, kind)
		e.TLSConfig.Engine, e.TLSConfig.ClientHello, e.TLSConfig.Engines = engine, hello, []transport.TLSEngine{utls.Engine{}}
		name := fmt.Sprintf("%s as %s, %s", engine, row[1], kind)
		row = append(row, r.cell(name, e, func(c *parley.Conn) bool {
			if s := c.Security(); s.Engine != engine || !s.Verified {
				r.t.Errorf("%s: %s did the handshake, verified %v", name, s.Engine, s.Verified)
			}
			return true
		}))
	}
	return row
}

// mechanisms logs in by every mechanism there is, where the peer offers it. EXTERNAL has a
// port of its own where the peer asks for a certificate on one.
func (r *run) mechanisms(m *matrix, title string, kind peers.Kind) {
	var rows [][]string
	for _, name := range auth.Names() {
		e := endpoint(r.p, r.site, kind)
		if name == "EXTERNAL" && r.p.Addr(peers.TLSClientCert) != "" {
			e = endpoint(r.p, r.site, peers.TLSClientCert)
			e.Credentials = &auth.Credentials{}
		}
		e.AuthPolicy.Mechanisms, e.AuthPolicy.AllowPlaintext = []string{name}, kind == peers.AuthClear
		switch name {
		case "XOAUTH2", "OAUTHBEARER":
			e.Credentials.Token = auth.NewSecret(peers.Token)
		case "EXTERNAL":
			cert, err := r.site.ClientCert(peers.Alice.User)
			if err != nil {
				r.t.Fatal(err)
			}
			e.TLSConfig.Certificates = []tls.Certificate{cert}
			e.Credentials.External = true
		case "ANONYMOUS":
			e.Credentials = &auth.Credentials{Anonymous: true, Trace: "interop"}
		}
		rows = append(rows, []string{name, r.login(name, e)})
	}
	m.table(title, []string{"mechanism", "result"}, rows)
}

// login is a cell whose absence the choice of mechanisms explains.
func (r *run) login(name string, e *parley.Endpoint) string {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	c, err := parley.Dial(ctx, e)
	if errors.Is(err, auth.RuleNotOffered) || errors.Is(err, parley.ErrUnsupported) {
		return "not offered"
	}
	if err != nil {
		return r.failed(name, err)
	}
	c.Quit(ctx)
	if e.Credentials.Anonymous {
		return "ok, the login: such users may not send here"
	}
	return r.cell(name, e, nil)
}

// TestMatrix delivers through every cell of (server, port, way of sending) and (server,
// mechanism), and through every proxy.
func TestMatrix(t *testing.T) {
	long(t, peers.NewExim())
	m := &matrix{}
	var versions [][]string
	told := func(t *testing.T, name string, version func() (string, error)) {
		v, err := version()
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, []string{name, v})
	}
	begin := func(t *testing.T, p peers.Peer) *run {
		site := start(t, p)
		told(t, p.Name(), p.Version)
		return &run{t: t, p: p, site: site, to: peers.Carol}
	}
	t.Run("postfix", func(t *testing.T) {
		r := begin(t, peers.NewPostfix())
		r.ports(m, "Postfix", peers.SMTP, peers.StartTLS, peers.SMTPS, peers.Submission, peers.Submissions, peers.AuthClear, peers.TLSRequired,
			peers.NoPipelining, peers.Strict, peers.Plain821, peers.Postscreen)
		r.engines(m, "Postfix: TLS engines", peers.StartTLS, peers.SMTPS)
		r.mechanisms(m, "Postfix: mechanisms", peers.AuthClear)
		r.proxies(m)
	})
	t.Run("exim", func(t *testing.T) {
		r := begin(t, peers.NewExim())
		r.ports(m, "Exim", peers.SMTP, peers.StartTLS, peers.SMTPS, peers.Submission, peers.Submissions, peers.AuthClear)
		r.engines(m, "Exim: TLS engines", peers.StartTLS, peers.SMTPS)
		r.mechanisms(m, "Exim: mechanisms", peers.Submissions)
	})
	t.Run("opensmtpd", func(t *testing.T) {
		r := begin(t, peers.NewOpenSMTPD())
		r.ports(m, "OpenSMTPD", peers.SMTP)
		// Debian 12's build offers STARTTLS and fails every handshake: the client must say so
		// and send nothing.
		var rows [][]string
		for _, engine := range []string{"std", "utls"} {
			e := endpoint(r.p, r.site, peers.StartTLS)
			e.TLSConfig.Engine, e.TLSConfig.Engines = engine, []transport.TLSEngine{utls.Engine{}}
			_, err := send(t, e, mail(head, peers.Carol))
			var te *transport.TLSError
			if !errors.Is(err, parley.ErrTLS) || !errors.As(err, &te) || te.Reason != transport.ReasonAlert {
				t.Errorf("%s: %v", engine, err)
				continue
			}
			rows = append(rows, []string{engine, "its own", fmt.Sprintf("none: offered, and the server ends every handshake with alert %d; the client reports that and sends nothing", te.Alert), "none: the same build"})
		}
		m.table("OpenSMTPD: TLS engines", []string{"engine", "hello", "STARTTLS", "implicit TLS"}, rows)
	})
	t.Run("dovecot", func(t *testing.T) {
		r := begin(t, peers.NewDovecot(nil))
		r.ports(m, "Dovecot", peers.LMTP, peers.Submission, peers.Submissions, peers.AuthClear)
		r.engines(m, "Dovecot: TLS engines", peers.Submission, peers.Submissions)
		r.mechanisms(m, "Dovecot: mechanisms", peers.Submissions)
	})
	for _, p := range peers.Proxies() {
		told(t, p.Name(), p.Version)
	}
	told(t, "krb5kdc", peers.NewKerberos().Version)
	if name := os.Getenv("PARLEY_INTEROP_DOC"); name != "" && !t.Failed() {
		var doc strings.Builder
		fmt.Fprintf(&doc, "<!-- Generated by \"make interop\". Do not edit. -->\n\n# Interoperability\n\nMade on %s. Every cell that says ok delivered a message whose octets were compared with\nwhat the server stored. A client hello of\nutls that is not its own is that of a browser. Kerberos is shown by the tests of auth/gssapi\nand interop/kerberos, which deliver by way of Dovecot.\n\n## Versions\n\n| program | version |\n|---|---|\n", time.Now().UTC().Format("2006-01-02"))
		for _, v := range versions {
			fmt.Fprintf(&doc, "| %s | %s |\n", v[0], v[1])
		}
		doc.WriteString(m.doc.String())
		if err := os.WriteFile(name, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// proxies reaches Postfix by way of every proxy, in clear and with STARTTLS inside the
// tunnel, and by way of two in a row.
func (r *run) proxies(m *matrix) {
	var rows [][]string
	var socks, http proxy.Stage
	for _, p := range peers.Proxies() {
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
		err := p.Start(ctx, r.site)
		cancel()
		if err != nil {
			r.t.Error(err)
			continue
		}
		r.t.Cleanup(func() {
			if err := p.Stop(); err != nil {
				r.t.Error(err)
			}
			if r.t.Failed() {
				r.t.Log(p.Log())
			}
		})
		kinds := slices.Clone(p.Kinds())
		if p.Addr(peers.ConnectTLS) != "" && !slices.Contains(kinds, peers.ConnectTLS) {
			kinds = append(kinds, peers.ConnectTLS)
		}
		for _, kind := range kinds {
			stage := r.stage(p, kind)
			switch kind {
			case peers.SOCKS5:
				socks = stage
			case peers.Connect:
				http = stage
			}
			rows = append(rows, append([]string{p.Name(), string(kind)}, r.by(p.Name()+" "+string(kind), stage)...))
		}
	}
	if socks != nil && http != nil {
		rows = append(rows, append([]string{"two in a row", "socks5, then http"}, r.by("chain", socks, http)...))
	}
	m.table("Proxies, to Postfix", []string{"proxy", "protocol", "clear", "STARTTLS"}, rows)
}

// by sends through the stages, in clear and with STARTTLS.
func (r *run) by(name string, stages ...proxy.Stage) (cells []string) {
	for _, kind := range []peers.Kind{peers.SMTP, peers.StartTLS} {
		e := endpoint(r.p, r.site, kind)
		e.Dialer = proxy.Chain(&transport.TCPDialer{}, stages...)
		cells = append(cells, r.cell(name+" "+string(kind), e, nil))
	}
	return cells
}

func (r *run) stage(p *peers.Proxy, kind peers.Kind) proxy.Stage {
	addr, user, password := p.Addr(kind), peers.ProxyUser.User, peers.ProxyUser.Password
	switch kind {
	case peers.SOCKS4:
		return proxy.SOCKS4{Addr: addr}
	case peers.SOCKS4A:
		return proxy.SOCKS4A{Addr: addr}
	case peers.SOCKS5:
		return proxy.SOCKS5{Addr: addr}
	case peers.SOCKS5Auth:
		return proxy.SOCKS5{Addr: addr, User: user, Password: password}
	case peers.ConnectTLS:
		return proxy.Tunnel{Addr: addr, TLS: proxy.VerifiedTLS(peers.Host, &tls.Config{RootCAs: r.site.Roots()})}
	case peers.BasicAuth:
		return proxy.Tunnel{Addr: addr, User: user, Password: password, Auth: proxy.AuthBasic}
	case peers.DigestAuth:
		return proxy.Tunnel{Addr: addr, User: user, Password: password, Auth: proxy.AuthDigest}
	case peers.NTLMAuth:
		return proxy.Tunnel{Addr: addr, User: user, Password: password, Auth: proxy.AuthNTLM}
	case peers.EveryScheme:
		return proxy.Tunnel{Addr: addr, User: user, Password: password}
	}
	return proxy.Tunnel{Addr: addr}
}
