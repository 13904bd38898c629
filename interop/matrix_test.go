//go:build interop

package interop_test

import (
	"crypto/tls"
	"os"
	"testing"
	"time"

	"github.com/parley-mail/parley/interop/cube"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/proxy"
	"github.com/parley-mail/parley/transport/utls"
)

// TestMatrix delivers through every cell of the cube and writes docs/interop.md. With
// -short it is the cells of Postfix.
func TestMatrix(t *testing.T) {
	report := &cube.Report{}
	told := func(t *testing.T, name string, version func() (string, error)) {
		v, err := version()
		if err != nil {
			t.Fatal(err)
		}
		report.Program(name, v)
	}
	for _, s := range cube.Servers(nil) {
		t.Run(s.Title, func(t *testing.T) {
			if s.Title != "Postfix" {
				long(t, s.Peer)
			}
			s.Site, s.Logins = start(t, s.Peer), cube.Logins()
			told(t, s.Peer.Name(), s.Peer.Version)
			c := &cube.Courier{Peer: s.Peer, To: peers.Carol}
			jobs, err := s.Jobs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fill(t, report, c, s.Title, cube.Heads, cube.ModeNames(), jobs)
			if testing.Short() {
				return
			}
			if s.Imitate != nil {
				fill(t, report, c, s.Title+": client hellos that utls imitates", []string{"hello"}, []string{"STARTTLS", "implicit TLS"}, hellos(&s))
			}
			if s.Title == "Postfix" {
				proxied(t, report, c, s.Site)
			}
		})
	}
	if testing.Short() {
		return
	}
	for _, p := range peers.Proxies() {
		told(t, p.Name(), p.Version)
	}
	if name := os.Getenv("PARLEY_INTEROP_DOC"); name != "" && !t.Failed() {
		if err := report.Load(os.Getenv("PARLEY_INTEROP_KERBEROS")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(report.Markdown(time.Now())), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fill has a table of the report made. A cell that failed fails the test.
func fill(t *testing.T, report *cube.Report, c *cube.Courier, title string, heads, columns []string, jobs []cube.Job) {
	t.Helper()
	begun := time.Now()
	if err := c.Table(t.Context(), report, title, heads, columns, jobs); err != nil {
		t.Error(err)
	}
	t.Logf("%s: %d cells in %v", title, len(jobs), time.Since(begun).Round(time.Millisecond))
}

// pipelined is the mode of tables that are not about modes.
var pipelined = cube.Modes[1]

// hellos are the cells of the hellos that utls can imitate.
func hellos(s *cube.Server) []cube.Job {
	var jobs []cube.Job
	for _, hello := range utls.Profiles() {
		for _, kind := range s.Imitate {
			e := cube.Endpoint(s.Peer, s.Site, kind)
			cube.Use(e, "utls")
			e.TLSConfig.ClientHello = hello
			e.AuthPolicy.Mechanisms = []string{"PLAIN"}
			j := cube.Job{Cell: &cube.Cell{Row: []string{hello}, Column: cube.Way(e)}, Endpoint: e, Mode: pipelined}
			if e.Credentials != nil {
				j.Login = "PLAIN"
			}
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// proxied reaches Postfix through every proxy in every mode, and through two in a row for
// each pair of what they speak.
func proxied(t *testing.T, report *cube.Report, c *cube.Courier, site *peers.Site) {
	var speak []peers.Kind
	stages := map[peers.Kind][]proxy.Stage{}
	var jobs []cube.Job
	for _, p := range peers.Proxies() {
		startProxy(t, p, site)
		for _, kind := range p.Kinds() {
			stage := stageOf(p, site, kind)
			if stages[kind] == nil {
				speak = append(speak, kind)
			}
			stages[kind] = append(stages[kind], stage)
			for _, to := range []peers.Kind{peers.SMTP, peers.StartTLS, peers.SMTPS} {
				for _, m := range cube.Modes {
					row := []string{p.Name(), string(kind), cube.Way(cube.Endpoint(c.Peer, site, to))}
					jobs = append(jobs, through(c.Peer, site, to, m, row, m.Name, stage)...)
				}
			}
		}
	}
	fill(t, report, c, "Proxies, to Postfix", []string{"proxy", "speaks", "way behind it"}, cube.ModeNames(), jobs)

	jobs = nil
	var columns []string
	for _, first := range speak {
		columns = append(columns, string(first))
		for _, second := range speak {
			a, b := stages[first], stages[second] // two programs where both speak it
			jobs = append(jobs, through(c.Peer, site, peers.StartTLS, pipelined, []string{string(first)}, string(second), a[0], b[len(b)-1])...)
		}
	}
	fill(t, report, c, "Two proxies in a row, to Postfix", []string{"first"}, columns, jobs)
}

// through are the cells of one port and mode by way of stages.
func through(p peers.Peer, site *peers.Site, kind peers.Kind, m cube.Mode, row []string, column string, stages ...proxy.Stage) []cube.Job {
	var jobs []cube.Job
	for _, engine := range cube.Engines(cube.Endpoint(p, site, kind)) {
		e := cube.Endpoint(p, site, kind)
		cube.Use(e, engine)
		e.Dialer = proxy.Chain(&transport.TCPDialer{}, stages...)
		jobs = append(jobs, cube.Job{Cell: &cube.Cell{Row: row, Column: column, Engine: engine}, Endpoint: e, Mode: m})
	}
	return jobs
}

// stageOf is how the client speaks to a port of a proxy.
func stageOf(p *peers.Proxy, site *peers.Site, kind peers.Kind) proxy.Stage {
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
		return proxy.Tunnel{Addr: addr, TLS: proxy.VerifiedTLS(peers.Host, &tls.Config{RootCAs: site.Roots()})}
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
