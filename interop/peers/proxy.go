//go:build unix

package peers

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// What a proxy's port speaks.
const (
	SOCKS4      Kind = "socks4"
	SOCKS4A     Kind = "socks4a"      // SOCKS4 that resolves names
	SOCKS5      Kind = "socks5"       // no authentication
	SOCKS5Auth  Kind = "socks5-auth"  // RFC 1929 as ProxyUser
	Connect     Kind = "http"         // HTTP CONNECT, no authentication
	ConnectTLS  Kind = "https"        // the same, TLS to the proxy
	BasicAuth   Kind = "http-basic"   // CONNECT, Basic as ProxyUser
	DigestAuth  Kind = "http-digest"  // CONNECT, Digest as ProxyUser
	NTLMAuth    Kind = "http-ntlm"    // CONNECT, NTLM, any password
	EveryScheme Kind = "http-schemes" // CONNECT, all of the three offered
)

// ProxyUser may use the proxies that want to know.
var ProxyUser = Account{"proxyuser", "proxy:pass word"}

// Proxy is a proxy under the tests' control. Its life is that of a [Peer].
type Proxy struct {
	name    string
	program string
	pkg     string // where the program comes from
	kinds   []Kind
	// prepare writes what the program needs into dir and returns its arguments.
	prepare func(ctx context.Context, p *Proxy, site *Site) ([]string, error)

	dir   string
	addrs map[Kind]string
	proc  *daemon
	stops []func() error // what else has been started
}

// Proxies returns one of each, not started yet.
func Proxies() []*Proxy {
	return []*Proxy{NewDanted(), NewMicrosocks(), NewTinyproxy(), NewSquid(), NewSSH()}
}

// Name returns the program's usual name.
func (p *Proxy) Name() string { return p.name }

// Version is the package that the program comes from.
func (p *Proxy) Version() (string, error) { return packaged(p.pkg) }

// Kinds returns what it speaks, once it is started.
func (p *Proxy) Kinds() []Kind {
	if p.addrs[ConnectTLS] != "" {
		return append(slices.Clone(p.kinds), ConnectTLS)
	}
	return p.kinds
}

// Addr returns the address of a port, "" if it does not speak that.
func (p *Proxy) Addr(kind Kind) string { return p.addrs[kind] }

// Log returns what the proxy wrote.
func (p *Proxy) Log() string { return p.proc.output() }

// Start starts the proxy and returns when every port accepts.
func (p *Proxy) Start(ctx context.Context, site *Site) error {
	if err := p.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("%s: %w\n%s", p.name, err, p.Log()), p.Stop())
	}
	return nil
}

func (p *Proxy) start(ctx context.Context, site *Site) error {
	var err error
	if p.dir, err = site.sub(p.name); err != nil {
		return err
	}
	free, err := freeAddrs(len(p.kinds))
	if err != nil {
		return err
	}
	p.addrs = map[Kind]string{}
	for i, k := range p.kinds {
		p.addrs[k] = free[i]
	}
	args, err := p.prepare(ctx, p, site)
	if err != nil {
		return err
	}
	if p.proc, err = launch(filepath.Join(p.dir, "output"), nil, p.program, args...); err != nil {
		return err
	}
	for kind, addr := range p.addrs {
		if err := p.proc.ready(ctx, func(ctx context.Context) error { return accepts(ctx, addr) }); err != nil {
			return fmt.Errorf("port %s: %w", kind, err)
		}
	}
	return nil
}

// Stop ends the proxy.
func (p *Proxy) Stop() error {
	err := p.proc.stop()
	for _, stop := range p.stops {
		err = errors.Join(err, stop())
	}
	return err
}

func (p *Proxy) port(kind Kind) string {
	_, port, _ := net.SplitHostPort(p.addrs[kind])
	return port
}

// NewDanted returns Dante: SOCKS4 and SOCKS5 on one port each. It answers a
// failure with a name of variable length as bound address.
func NewDanted() *Proxy {
	return &Proxy{name: "danted", program: "danted", pkg: "dante-server", kinds: []Kind{SOCKS5, SOCKS4}, prepare: func(_ context.Context, p *Proxy, _ *Site) ([]string, error) {
		conf := fmt.Sprintf(`logoutput: stderr
internal: 127.0.0.1 port = %s
internal: 127.0.0.1 port = %s
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 command: connect }
`, p.port(SOCKS5), p.port(SOCKS4))
		return []string{"-f", filepath.Join(p.dir, "conf"), "-p", filepath.Join(p.dir, "pid")}, writeFiles(p.dir, map[string]string{"conf": conf})
	}}
}

// NewMicrosocks returns microsocks: SOCKS5 with RFC 1929.
func NewMicrosocks() *Proxy {
	return &Proxy{name: "microsocks", program: "microsocks", pkg: "microsocks", kinds: []Kind{SOCKS5Auth}, prepare: func(_ context.Context, p *Proxy, _ *Site) ([]string, error) {
		return []string{"-i", "127.0.0.1", "-p", p.port(SOCKS5Auth), "-u", ProxyUser.User, "-P", ProxyUser.Password}, nil
	}}
}

// NewTinyproxy returns tinyproxy: CONNECT, answered as HTTP/1.0 with header fields.
func NewTinyproxy() *Proxy {
	return &Proxy{name: "tinyproxy", program: "tinyproxy", pkg: "tinyproxy", kinds: []Kind{Connect}, prepare: func(_ context.Context, p *Proxy, _ *Site) ([]string, error) {
		conf := fmt.Sprintf("Port %s\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\nAllow 127.0.0.1\nLogLevel Connect\n", p.port(Connect))
		return []string{"-d", "-c", filepath.Join(p.dir, "conf")}, writeFiles(p.dir, map[string]string{"conf": conf})
	}}
}

// NewSquid returns Squid: CONNECT with every scheme of authentication, each on a
// port of its own, and with TLS to the proxy.
func NewSquid() *Proxy {
	kinds := []Kind{Connect, BasicAuth, DigestAuth, NTLMAuth, EveryScheme}
	return &Proxy{name: "squid", program: "squid", pkg: "squid", kinds: kinds, prepare: func(_ context.Context, p *Proxy, site *Site) ([]string, error) {
		uid, gid, err := ids("proxy")
		if err != nil {
			return nil, err
		}
		if err := owned(p.dir, uid, gid, "run"); err != nil {
			return nil, err
		}
		var conf strings.Builder
		for _, k := range kinds {
			fmt.Fprintf(&conf, "http_port 127.0.0.1:%s name=%s\nacl %s myportname %s\n", p.port(k), k, k, k)
		}
		conf.WriteString(strings.ReplaceAll(squidConf, "@DIR@", p.dir))
		hash := md5.Sum([]byte(ProxyUser.User + ":parley:" + ProxyUser.Password))
		if err := writeFiles(p.dir, map[string]string{
			"conf":   conf.String(),
			"digest": ProxyUser.User + ":parley:" + hex.EncodeToString(hash[:]) + "\n",
			// Squid's own helper wants hashed passwords; a script will do.
			"basic": "#!/bin/sh\nwhile read -r user pass; do\n\tif [ \"$user $pass\" = '" + ProxyUser.User + " " + escape(ProxyUser.Password) + "' ]; then echo OK; else echo ERR; fi\ndone\n",
		}); err != nil {
			return nil, err
		}
		front, err := tlsFront(site, p.addrs[Connect])
		if err != nil {
			return nil, err
		}
		p.addrs[ConnectTLS] = front.Addr().String()
		p.stops = append(p.stops, front.Close)
		return []string{"-N", "-d", "1", "-f", filepath.Join(p.dir, "conf")}, nil
	}}
}

// escape is how Squid passes a password to its helper.
func escape(s string) string {
	return strings.ReplaceAll(s, " ", "%20")
}

const squidConf = `
auth_param basic program /bin/sh @DIR@/basic
auth_param basic realm parley
auth_param digest program /usr/lib/squid/digest_file_auth -c @DIR@/digest
auth_param digest realm parley
auth_param ntlm program /usr/lib/squid/ntlm_fake_auth
auth_schemes basic http-basic
auth_schemes digest http-digest
auth_schemes ntlm http-ntlm
acl known proxy_auth REQUIRED
http_access allow http
http_access allow known
http_access deny all
cache deny all
cache_mem 8 MB
cache_effective_user proxy
cache_effective_group proxy
pid_filename @DIR@/run/pid
coredump_dir @DIR@/run
access_log stdio:@DIR@/run/access
cache_log @DIR@/run/cache
shutdown_lifetime 0 seconds
visible_hostname proxy.test
pinger_enable off
netdb_filename none
client_persistent_connections on
`
