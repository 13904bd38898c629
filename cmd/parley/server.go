package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/certfile"
	"github.com/parley-mail/parley/transport/proxy"
	"github.com/parley-mail/parley/transport/record"
	"github.com/parley-mail/parley/transport/utls"
)

// serverFlags say which server is spoken to, and how.
type serverFlags struct {
	account                                                 string
	server, tls, tlsEngine, clientHello, serverName, minTLS string
	ca                                                      []string
	pin, cert, key                                          string
	insecure                                                bool

	auth, user, password, passwordFile, tokenFile, authzID string
	plaintextAuth                                          bool

	proxies                           []string
	noProxy, localAddr                string
	only4, only6                      bool
	hello, machine, data, pipelining  string
	timeout, connectTimeout, deadline time.Duration
	strict                            bool
	rate                              int64

	trace          bool
	events, record string
	quiet, verbose bool
	asJSON         bool
	log            record.Log
	tracer         *tracer
	eventsFile     *os.File
	anomalies      []string
}

func (f *serverFlags) add(cmd *cobra.Command) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return f.configure(cmd) }
	fl := cmd.Flags()
	fl.StringVar(&f.account, "account", "", "take what is not said here from this account of the configuration file")
	fl.StringVar(&f.server, "server", "", "the server: HOST[:PORT], smtp://, submission://, smtps://, lmtp://HOST:PORT or lmtp+unix:///PATH")
	choice(cmd, fl, &f.tls, "tls", "auto", "when TLS begins; what is required never falls back to clear", "auto", "none", "opportunistic", "starttls", "implicit")
	fl.StringArrayVar(&f.ca, "ca", nil, "trust this authority, a PEM file or a directory of them (repeatable)")
	fl.StringVar(&f.pin, "pin", "", "accept the server whose certificate is in this PEM file, whatever else is wrong with it")
	fl.BoolVar(&f.insecure, "insecure", false, "accept any certificate")
	fl.StringVar(&f.serverName, "server-name", "", "the name that the certificate must be for, if it is not the host's")
	fl.StringVar(&f.cert, "cert", "", "the client's certificate, a PEM file")
	fl.StringVar(&f.key, "key", "", "its key, a PEM file; by default it is in the file of --cert")
	choice(cmd, fl, &f.tlsEngine, "tls-engine", "auto", "which TLS implementation", "auto", "std", "utls")
	fl.StringVar(&f.clientHello, "client-hello", "", "imitate the hello of a browser (needs the utls engine)")
	choice(cmd, fl, &f.minTLS, "min-tls", "1.2", "the oldest TLS version to accept", "1.0", "1.1", "1.2", "1.3")

	fl.StringVar(&f.auth, "auth", "auto", "auto, none, or mechanisms in the order to be tried: MECH[,MECH…]")
	fl.StringVar(&f.user, "user", "", "the user to authenticate as")
	fl.StringVar(&f.password, "password", "", "the password; it shows in the process list: prefer --password-file or PARLEY_PASSWORD")
	fl.StringVar(&f.passwordFile, "password-file", "", "the file whose first line is the password")
	fl.StringVar(&f.tokenFile, "token-file", "", "the file whose first line is an OAuth token")
	fl.StringVar(&f.authzID, "authzid", "", "the user to act as")
	fl.BoolVar(&f.plaintextAuth, "allow-plaintext-auth", false, "let the password out without TLS")

	fl.StringArrayVar(&f.proxies, "proxy", nil, "go by this proxy: socks4://, socks4a://, socks5://, socks5h://, http:// or https:// (repeatable: a chain)")
	fl.StringVar(&f.noProxy, "no-proxy", "", "targets that need no proxy")
	fl.StringVar(&f.localAddr, "local-addr", "", "the local address to speak from: IP[:PORT]")
	fl.BoolVarP(&f.only4, "ipv4", "4", false, "IPv4 only")
	fl.BoolVarP(&f.only6, "ipv6", "6", false, "IPv6 only")
	fl.StringVar(&f.hello, "hello", "", "what to call ourselves in EHLO; the host's name by default")
	fl.DurationVar(&f.timeout, "timeout", 0, "how long the server may be silent; by default what RFC 5321 says for each command")
	fl.DurationVar(&f.connectTimeout, "connect-timeout", 0, "how long connecting may take (default 1m)")
	fl.DurationVar(&f.deadline, "deadline", 0, "how long the whole command may take")
	fl.Int64Var(&f.rate, "rate", 0, "write at most so many octets a second")
	choice(cmd, fl, &f.pipelining, "pipelining", "auto", "send commands ahead of replies where the server allows it", "auto", "off")
	choice(cmd, fl, &f.data, "data", "auto", "how to send the content", "auto", "data", "bdat")
	choice(cmd, fl, &f.machine, "machine", "looplab", "which machine runs the dialogue", "looplab", "compiled")
	fl.BoolVar(&f.strict, "strict", false, "end the session at the first oddity of the server")

	fl.BoolVar(&f.trace, "trace", false, "show the dialogue on standard error, secrets masked")
	fl.StringVar(&f.events, "events", "", "write every event to this file, a JSON object a line")
	fl.StringVar(&f.record, "record", "", "write a transcript (.smtpt) to this file, secrets and content masked")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "with --trace: also show how the machine moves")
	fl.BoolVar(&f.asJSON, "json", false, "the result as JSON on standard output, and nothing else there")
}

// endpoint puts the flags together.
func (f *serverFlags) endpoint() (*parley.Endpoint, error) {
	if f.server == "" {
		return nil, usage("no server is given: --server HOST[:PORT] or a URL, or --account NAME")
	}
	e, err := parley.ParseEndpoint(f.server)
	if err != nil {
		return nil, err
	}
	switch f.tls {
	case "auto":
	case "none":
		e.TLS = parley.TLSNone
	case "opportunistic":
		e.TLS = parley.TLSOpportunistic
	case "starttls":
		e.TLS = parley.TLSStartTLS
	case "implicit":
		e.TLS = parley.TLSImplicit
	}
	e.ConnectTimeout, e.MaxRate = f.connectTimeout, f.rate
	if f.timeout > 0 {
		e.BlockTimeout = f.timeout
		e.Patience = func(fsm.Command) time.Duration { return f.timeout }
	}
	e.Session.Hello = f.hello
	if e.Session.Hello == "" {
		e.Session.Hello = hostName()
	}
	e.Session.Strict = f.strict
	e.Session.Serial = f.pipelining == "off"
	e.Session.Data = map[string]session.DataMode{"auto": session.DataAuto, "data": session.DataOnly, "bdat": session.DataBDAT}[f.data]
	if f.machine == "looplab" {
		e.Session.Machine = fsm.NewLooplab()
	}
	for _, step := range []func(*parley.Endpoint) error{f.trust, f.credentials, f.route, f.see} {
		if err := step(e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// hostName is this host's name, or an address literal if it has none that will do
// (RFC 5321 §4.1.3).
func hostName() string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") {
		return name
	}
	return "[127.0.0.1]"
}

// trust is how the server's certificate is judged, and our own.
func (f *serverFlags) trust(e *parley.Endpoint) error {
	c := &transport.TLSConfig{ServerName: f.serverName, InsecureSkipVerify: f.insecure, Engine: f.tlsEngine, ClientHello: f.clientHello}
	c.Engines = []transport.TLSEngine{utls.Engine{}}
	c.MinVersion = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[f.minTLS]
	for _, name := range f.ca {
		certs, err := authorities(name)
		if err != nil {
			return err
		}
		c.ExtraRootCAs = append(c.ExtraRootCAs, certs...)
	}
	if f.pin != "" {
		certs, err := certfile.LoadCAFile(f.pin)
		if err != nil {
			return err
		}
		c.Pin = certs[0]
	}
	if f.cert != "" {
		key := f.key
		if key == "" {
			key = f.cert
		}
		pair, err := certfile.LoadPair(f.cert, key, "")
		if err != nil {
			return fmt.Errorf("client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	} else if f.key != "" {
		return usage("--key without --cert")
	}
	e.TLSConfig = c
	return nil
}

// authorities reads a file, or every file of a directory.
func authorities(name string) ([]*x509.Certificate, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return certfile.LoadCADir(name)
	}
	return certfile.LoadCAFile(name)
}

// credentials come from flags, files, the environment, the URL or a prompt.
func (f *serverFlags) credentials(e *parley.Endpoint) error {
	c := auth.Credentials{AuthzID: f.authzID}
	if e.Credentials != nil {
		c.User, c.Password = e.Credentials.User, e.Credentials.Password
	}
	if f.user != "" {
		c.User = f.user
	}
	switch {
	case f.password != "":
		c.Password = auth.NewSecret(f.password)
	case f.passwordFile != "":
		s, err := firstLine(f.passwordFile)
		if err != nil {
			return err
		}
		c.Password = auth.NewSecret(s)
	case os.Getenv("PARLEY_PASSWORD") != "":
		c.Password = auth.NewSecret(os.Getenv("PARLEY_PASSWORD"))
	}
	if f.tokenFile != "" {
		s, err := firstLine(f.tokenFile)
		if err != nil {
			return err
		}
		c.Token = auth.NewSecret(s)
	}
	e.AuthPolicy = auth.Policy{AllowPlaintext: f.plaintextAuth, AllowUnverified: f.insecure}
	e.Credentials = nil
	if f.auth == "none" || c.User == "" && f.auth == "auto" {
		return nil
	}
	if f.auth != "auto" {
		e.AuthPolicy.Mechanisms = strings.Split(f.auth, ",")
		for _, m := range e.AuthPolicy.Mechanisms {
			if _, ok := auth.Lookup(m); !ok {
				return usage("no mechanism %q: there are %s", m, strings.Join(auth.Names(), ", "))
			}
			c.External = c.External || strings.EqualFold(m, "EXTERNAL")
			c.Anonymous = c.Anonymous || strings.EqualFold(m, "ANONYMOUS")
		}
	}
	if c.Password.IsZero() && c.Token.IsZero() && term.IsTerminal(int(os.Stdin.Fd())) {
		c.GetPassword = prompt
	}
	e.Credentials = &c
	return nil
}

// prompt asks for the password on the terminal.
func prompt(context.Context) (auth.Secret, error) {
	fmt.Fprint(os.Stderr, "Password: ")
	p, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return auth.NewSecret(string(p)), err
}

func firstLine(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// route is the way to the server.
func (f *serverFlags) route(e *parley.Endpoint) error {
	d := &transport.TCPDialer{KeepAlive: -1}
	switch {
	case f.only4 && f.only6:
		return usage("-4 and -6 exclude each other")
	case f.only4:
		d.Family = transport.FamilyIPv4
	case f.only6:
		d.Family = transport.FamilyIPv6
	}
	if f.localAddr != "" {
		d.LocalHost = f.localAddr
		if host, port, err := net.SplitHostPort(f.localAddr); err == nil {
			d.LocalHost = host
			if _, err := fmt.Sscanf(port, "%d", &d.LocalPort); err != nil {
				return usage("--local-addr: no port %q", port)
			}
		}
	}
	e.Dialer = d
	if len(f.proxies) == 0 {
		return nil
	}
	var stages []proxy.Stage
	for _, raw := range f.proxies {
		stage, err := proxy.Parse(raw)
		if err != nil {
			return usage("--proxy: %v", err)
		}
		stages = append(stages, stage)
	}
	through := proxy.Chain(d, stages...)
	exceptions, err := proxy.ParseExceptions(f.noProxy)
	if err != nil {
		return usage("--no-proxy: %v", err)
	}
	e.Dialer = exceptions.Dialer(d, through)
	return nil
}

// see is everything that lets the user watch.
func (f *serverFlags) see(e *parley.Endpoint) error {
	e.Events = &events.Bus{}
	if f.events != "" {
		file, err := os.OpenFile(f.events, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		f.eventsFile = file
	}
	f.watch(e.Events)
	if f.record != "" {
		e.Dialer = record.Dialer(e.Dialer, &f.log)
	}
	return nil
}

// watch subscribes what the user wants to see.
func (f *serverFlags) watch(bus *events.Bus) {
	f.tracer = newTracer(io.Discard, false)
	if f.trace {
		f.tracer = newTracer(os.Stderr, f.verbose)
	}
	bus.Subscribe(traced, f.tracer.handle)
	bus.Subscribe(events.Of(events.KindAnomaly), func(ev events.Event) {
		f.anomalies = append(f.anomalies, ev.(*events.Anomaly).What.String())
	})
	if f.eventsFile != nil {
		var line []byte
		bus.Subscribe(events.All, func(ev events.Event) {
			line = append(events.AppendJSON(line[:0], ev), '\n')
			f.eventsFile.Write(line)
		})
	}
}

// done writes what was recorded.
func (f *serverFlags) done() error {
	var errs []error
	if f.eventsFile != nil {
		errs = append(errs, f.eventsFile.Close())
	}
	if f.record != "" && f.log.Frames() != nil {
		errs = append(errs, os.WriteFile(f.record, record.Transcript(f.log.Frames()), 0o600))
	}
	return errors.Join(errs...)
}

// context bounds the whole command.
func (f *serverFlags) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.deadline > 0 {
		return context.WithTimeout(ctx, f.deadline)
	}
	return context.WithCancel(ctx)
}
