package server

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
)

// Mode says when TLS begins.
type Mode string

// The modes.
const (
	Clear    Mode = "none"     // never, but where a check is about STARTTLS
	StartTLS Mode = "starttls" // behind EHLO
	Implicit Mode = "implicit" // from the first octet
)

// Target is the server under test, and what it can be asked for.
type Target struct {
	Addr string
	Mode Mode
	TLS  *tls.Config // nil: the system's authorities, and the host's name
	LMTP bool

	User, Password string
	Mechanisms     []string // to log in with, nil: any

	Hello   string // what the client calls itself, "": parley.example
	From    string // a sender that is accepted, "": as Rcpt
	Rcpt    string // a mailbox that exists, the one whose messages the sink has
	Unknown string // a mailbox of the same server that does not exist
	Relay   string // a foreign address that the server passes nothing on to
	Sink    Sink   // nil: nobody sees what arrives

	Timeout time.Duration                               // for each reply; 0: 10 s
	Calm    time.Duration                               // how long there is no news, of the mailbox or the server, before none is expected; 0: 300 ms
	Dial    func(ctx context.Context) (net.Conn, error) // nil: TCP
}

const (
	defaultTimeout = 10 * time.Second
	defaultCalm    = 300 * time.Millisecond
)

// survey is what a target offers at each stage, and whether it knows its mailboxes.
type survey struct {
	clear, secure, ready codec.Extensions
	knows                bool // that the mailbox Unknown does not exist
}

// withDefaults fills in what was left open.
func (t Target) withDefaults() Target {
	if t.Hello == "" {
		t.Hello = "parley.example"
	}
	if t.From == "" {
		t.From = t.Rcpt
	}
	if t.Timeout == 0 {
		t.Timeout = defaultTimeout
	}
	if t.Calm == 0 {
		t.Calm = defaultCalm
	}
	if t.TLS == nil {
		host, _, _ := net.SplitHostPort(t.Addr)
		t.TLS = &tls.Config{ServerName: host}
	}
	if t.Dial == nil {
		t.Dial = func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{Timeout: t.Timeout}).DialContext(ctx, "tcp", t.Addr)
		}
	}
	return t
}

// vars are the variables of a check that uses this id.
func (t *Target) vars(id string) vars {
	helo := "EHLO"
	if t.LMTP {
		helo = "LHLO"
	}
	local, domain := t.Rcpt, ""
	if i := strings.LastIndexByte(t.Rcpt, '@'); i >= 0 {
		local, domain = t.Rcpt[:i], t.Rcpt[i+1:]
	}
	return vars{
		"name": t.Hello, "helo": helo, "from": t.From, "rcpt": t.Rcpt, "unknown": t.Unknown, "relay": t.Relay,
		"local": local, "domain": domain, "user": t.User, "password": t.Password, "id": id,
	}
}

// look asks the target what it offers. An error means that nobody is there; a stage that
// cannot be come to offers nothing.
func (t *Target) look(ctx context.Context) (s survey, err error) {
	nc, err := t.Dial(ctx)
	if err != nil {
		return s, err
	}
	nc.Close()
	for _, stage := range []struct {
		to  string
		ext *codec.Extensions
	}{{"hello", &s.clear}, {"secure", &s.secure}, {"ready", &s.ready}} {
		p := newPlay(ctx, t, nil, t.vars("survey"))
		p.session("")
		if p.arrive(stage.to) == nil {
			stage.ext.Parse(&p.cur.hello.Reply)
		}
		p.abandon()
	}
	if t.Unknown != "" {
		p := newPlay(ctx, t, nil, t.vars("survey"))
		p.session("")
		defer p.abandon()
		if p.arrive("mail") == nil {
			r, err := p.cur.command("RCPT TO:<" + t.Unknown + ">")
			s.knows = err != nil || r.Code/100 != 2
		}
	}
	return s, nil
}

// need returns why a need is not met, "" if it is.
func (t *Target) need(word string, s *survey) string {
	given := map[string]bool{
		"smtp": !t.LMTP, "lmtp": t.LMTP, "user": t.User != "", "sink": t.Sink != nil, "rcpt": t.Rcpt != "",
		"unknown": s.knows, "relay": t.Relay != "", "clear": t.Mode != Implicit, "tls": t.Mode != Clear,
		"open": t.User == "", "limit": s.ready.MaxSize > 0,
	}
	if ok, known := given[word]; known {
		if ok {
			return ""
		}
		return "no " + word
	}
	keyword, absent := strings.CutPrefix(word, "!")
	where := &s.ready
	rest, early := strings.CutPrefix(keyword, "clear:")
	switch {
	case early:
		keyword, where = rest, &s.clear
	case keyword == "STARTTLS":
		where = &s.clear
	case strings.HasPrefix(keyword, "AUTH"):
		where = &s.secure
	}
	has := where.Has(keyword)
	if name, mech, ok := strings.Cut(keyword, "="); ok {
		has = name == "AUTH" && where.HasAuth(mech)
	}
	switch {
	case has == absent && absent:
		return keyword + " is offered"
	case has == absent:
		return keyword + " is not offered"
	}
	return ""
}

// mechanism chooses how to log in.
func (t *Target) mechanism(x *codec.Extensions) (auth.Mechanism, error) {
	all, err := auth.Choose(x.Auth, &auth.Link{Offered: x.Auth}, auth.Credentials{User: t.User, Password: auth.NewSecret(t.Password)},
		auth.Policy{AllowPlaintext: true, AllowUnverified: true, Mechanisms: t.Mechanisms, Legacy: true, NoBinding: true})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}
