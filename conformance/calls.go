package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// settings are what "call open" says about the session.
type settings struct {
	cfg      session.Config
	link     session.Link // once TLS is there, or at once if implicit
	implicit bool         // TLS before SMTP
	insecure bool         // any certificate will do
	noCreds  bool         // credentials cannot be had
	creds    auth.Credentials
	policy   auth.Policy
}

// errorAt says that a call cannot be understood.
func errorAt(c *Case, at smtpt.Pos, format string, args ...any) error {
	return &smtpt.Error{Name: c.Script.Name, Pos: at, Text: fmt.Sprintf(format, args...)}
}

const defaultName = "client.example"

// zeros is the source of nonces: the same for every play.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// readSettings reads the first "call open" of a case; there need be none.
func readSettings(c *Case) (*settings, error) {
	o := &settings{cfg: session.Config{Hello: defaultName}}
	o.link = session.Link{Host: "s.example", Port: 25, Secure: true, Verified: true, Version: 0x0304}
	o.policy.Rand = zeros{}
	for i := range c.Script.Steps {
		s := &c.Script.Steps[i]
		if s.Kind != smtpt.Call || s.Attrs[0].Key != "open" {
			continue
		}
		for _, a := range s.Attrs[1:] {
			if err := o.set(a); err != nil {
				return nil, errorAt(c, a.Pos, "call open: %v", err)
			}
		}
		break
	}
	return o, nil
}

var openSettings = map[string]func(*settings, smtpt.Attr) error{
	"name":       func(o *settings, a smtpt.Attr) error { o.cfg.Hello = string(a.Octets()); return nil },
	"lmtp":       func(o *settings, a smtpt.Attr) error { o.cfg.LMTP = true; return nil },
	"helo":       func(o *settings, a smtpt.Attr) error { o.cfg.NoExtensions = true; return nil },
	"pipelining": func(o *settings, a smtpt.Attr) (err error) { o.cfg.Serial, err = no(a); return err },
	"overlap":    func(o *settings, a smtpt.Attr) (err error) { o.cfg.Overlap, err = strconv.Atoi(a.Value); return err },
	"window":     func(o *settings, a smtpt.Attr) (err error) { o.cfg.Window, err = strconv.Atoi(a.Value); return err },
	"line": func(o *settings, a smtpt.Attr) (err error) {
		o.cfg.Limits.Line, err = strconv.Atoi(a.Value)
		return err
	},
	"reply": func(o *settings, a smtpt.Attr) (err error) {
		o.cfg.Limits.Reply, err = strconv.Atoi(a.Value)
		return err
	},
	"lines": func(o *settings, a smtpt.Attr) (err error) {
		o.cfg.Limits.Lines, err = strconv.Atoi(a.Value)
		return err
	},
	"rset":    func(o *settings, a smtpt.Attr) error { o.cfg.RsetEach = true; return nil },
	"raw8bit": func(o *settings, a smtpt.Attr) error { o.cfg.Raw8Bit = true; return nil },
	"drop":    func(o *settings, a smtpt.Attr) error { o.cfg.Stop.Drop = true; return nil },
	"stop": func(o *settings, a smtpt.Attr) (err error) {
		o.cfg.Stop.After, err = session.ParsePhase(a.Value)
		return err
	},
	"insecure": func(o *settings, a smtpt.Attr) error { o.insecure = true; return nil },
	"host":     func(o *settings, a smtpt.Attr) error { o.link.Host = a.Value; return nil },
	"port":     func(o *settings, a smtpt.Attr) (err error) { o.link.Port, err = strconv.Atoi(a.Value); return err },
	"user":     func(o *settings, a smtpt.Attr) error { o.creds.User = string(a.Octets()); return nil },
	"pass": func(o *settings, a smtpt.Attr) error {
		o.creds.Password = auth.NewSecret(string(a.Octets()))
		return nil
	},
	"token": func(o *settings, a smtpt.Attr) error { o.creds.Token = auth.NewSecret(string(a.Octets())); return nil },
	"token-fill": func(o *settings, a smtpt.Attr) error {
		octets, n, err := smtpt.Fill(a.Value)
		o.creds.Token = auth.NewSecret(strings.Repeat(string(octets), n))
		return err
	},
	"authz":  func(o *settings, a smtpt.Attr) error { o.creds.AuthzID = string(a.Octets()); return nil },
	"realm":  func(o *settings, a smtpt.Attr) error { o.creds.Realm = a.Value; return nil },
	"domain": func(o *settings, a smtpt.Attr) error { o.creds.Domain = a.Value; return nil },
	"trace": func(o *settings, a smtpt.Attr) error {
		o.creds.Trace = string(a.Octets())
		o.creds.Anonymous = true
		return nil
	},
	"anonymous":  func(o *settings, a smtpt.Attr) error { o.creds.Anonymous = true; return nil },
	"external":   func(o *settings, a smtpt.Attr) error { o.creds.External = true; return nil },
	"plaintext":  func(o *settings, a smtpt.Attr) error { o.policy.AllowPlaintext = true; return nil },
	"unverified": func(o *settings, a smtpt.Attr) error { o.policy.AllowUnverified = true; return nil },
	"legacy":     func(o *settings, a smtpt.Attr) error { o.policy.Legacy = true; return nil },
	"raw":        func(o *settings, a smtpt.Attr) error { o.policy.Raw = true; return nil },
	"login-initial": func(o *settings, a smtpt.Attr) error {
		o.policy.LoginInitial = true
		return nil
	},
	"no-binding": func(o *settings, a smtpt.Attr) error { o.policy.NoBinding = true; return nil },
	"binding": func(o *settings, a smtpt.Attr) error {
		data := a.Octets()
		o.link.Binding = func(string) ([]byte, error) { return data, nil }
		return nil
	},
	"creds": func(o *settings, a smtpt.Attr) error {
		if a.Value != "none" {
			return fmt.Errorf("creds=none says that there are none")
		}
		o.noCreds, o.cfg.Authenticate = true, true
		return nil
	},
	"auth": func(o *settings, a smtpt.Attr) error {
		o.cfg.Authenticate = true
		if a.Value != "any" {
			o.policy.Mechanisms = strings.Split(a.Value, ",")
		}
		return nil
	},
	"data": func(o *settings, a smtpt.Attr) error {
		modes := []session.DataMode{session.DataAuto, session.DataOnly, session.DataBDAT}
		i := slices.IndexFunc(modes, func(m session.DataMode) bool { return m.String() == a.Value })
		if i < 0 {
			return fmt.Errorf("data is auto, data or bdat")
		}
		o.cfg.Data = modes[i]
		return nil
	},
	"tls": func(o *settings, a smtpt.Attr) error {
		policies := []session.StartTLS{session.StartTLSNever, session.StartTLSIfOffered, session.StartTLSOrNothing}
		i := slices.IndexFunc(policies, func(p session.StartTLS) bool { return p.String() == a.Value })
		switch {
		case a.Value == "implicit":
			o.implicit = true
		case i >= 0:
			o.cfg.StartTLS = policies[i]
		default:
			return fmt.Errorf("tls is never, opportunistic, required or implicit")
		}
		return nil
	},
}

func (o *settings) set(a smtpt.Attr) error {
	f, ok := openSettings[a.Key]
	if !ok {
		return fmt.Errorf("no option %q", a.Key)
	}
	if err := f(o, a); err != nil {
		return fmt.Errorf("%s: %w", a.Key, err)
	}
	return nil
}

func no(a smtpt.Attr) (bool, error) {
	if a.Value != "no" && a.Value != "yes" {
		return false, fmt.Errorf("is yes or no")
	}
	return a.Value == "no", nil
}

// mail is one "call send": a fresh transaction for each play is made from it.
type mail struct {
	step    *smtpt.Step
	err     error // the arguments cannot be used: refused before any octet
	env     *message.Envelope
	tx      session.Transaction // the pattern
	content []byte
	stream  int // octets a piece; 0: in memory
	failAt  int // the source fails after so many octets; -1: it does not
}

// readMail reads a "call send".
func readMail(c *Case, s *smtpt.Step) (*mail, error) {
	m := &mail{step: s, env: &message.Envelope{}, failAt: -1}
	var to, must []string
	size, notify, orcpt := "", codec.Notify(0), ""
	body := codec.BodyType(255)
	var rcptExtra []string
	p := &m.env.Params
	for _, a := range s.Attrs[1:] {
		var err error
		v := string(a.Octets())
		switch a.Key {
		case "from":
			m.env.ReversePath, m.err = firstError(m.err)(message.ParsePath(v))
		case "to":
			to = splitAddresses(v)
		case "must":
			must = splitAddresses(v)
		case "body":
			if name, ok := strings.CutPrefix(v, "@"); ok {
				data, ok := c.Script.File(name)
				if !ok {
					return nil, errorAt(c, a.Pos, "there is no file %q", name)
				}
				m.content = crlf(data)
			} else {
				m.content = a.Octets()
			}
		case "body-fill":
			var octets []byte
			var n int
			octets, n, err = smtpt.Fill(a.Value)
			m.content = append(m.content, bytes.Repeat(octets, n)...)
		case "stream":
			m.stream, err = strconv.Atoi(v)
		case "fail-after":
			m.failAt, err = strconv.Atoi(v)
		case "size":
			size = v
		case "kind":
			i := slices.Index([]string{"7bit", "8bit", "binary"}, v)
			if i < 0 {
				err = fmt.Errorf("is 7bit, 8bit or binary")
			}
			body = codec.Body7Bit + codec.BodyType(i)
		case "utf8":
			m.tx.UTF8 = true
		case "line-ends":
			if v == "refuse" {
				m.tx.LineEnds = codec.Refuse
			}
		case "may-drop":
			m.tx.MayDrop = needs(v)
		case "verb":
			for _, cmd := range fsm.Commands() {
				if cmd.OpensTransaction() && cmd.Verb() == v {
					m.tx.Verb = cmd
				}
			}
		case "ret":
			p.Return = v
		case "envid":
			p.EnvelopeID = v
		case "mail-auth":
			p.Auth = v
		case "by":
			p.DeliverBy, err = deliverBy(v)
		case "hold":
			p.HoldFor, err = strconv.ParseInt(v, 10, 64)
		case "until":
			p.HoldUntil = v
		case "priority":
			p.HasMTPriority = true
			p.MTPriority, err = strconv.Atoi(v)
		case "require-tls":
			p.RequireTLS = true
		case "extra":
			p.Extra = strings.Split(v, ",")
		case "notify":
			for word := range strings.SplitSeq(v, ",") {
				i := slices.Index([]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"}, word)
				if i < 0 {
					err = fmt.Errorf("is made of NEVER, SUCCESS, FAILURE, DELAY")
					break
				}
				notify |= 1 << i
			}
		case "orcpt":
			orcpt = v
		case "rcpt-extra":
			rcptExtra = strings.Split(v, ",")
		default:
			err = fmt.Errorf("no option of call send")
		}
		if err != nil {
			return nil, errorAt(c, a.Pos, "%s: %v", a.Key, err)
		}
	}
	for _, addr := range to {
		var path message.Path
		path, m.err = firstError(m.err)(message.ParsePath(addr))
		m.env.Recipients = append(m.env.Recipients, message.Recipient{
			Path: path, Params: codec.RcptParams{Notify: notify, OriginalRecipient: orcpt, Extra: rcptExtra},
		})
		m.tx.Required = append(m.tx.Required, slices.Contains(must, addr))
	}
	if must == nil {
		m.tx.Required = nil
	}
	if body == 255 {
		body = codec.Body7Bit
		if slices.ContainsFunc(m.content, func(b byte) bool { return b > 127 }) {
			body = codec.Body8BitMIME
		}
	}
	m.tx.Body, m.tx.Envelope = body, m.env
	switch size {
	case "":
		m.tx.Octets = int64(len(m.content))
	case "no":
	default:
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return nil, errorAt(c, s.Pos, "size: is a number or no")
		}
		m.tx.Octets = n
	}
	if m.failAt >= 0 && m.stream == 0 {
		m.stream = max(1, m.failAt)
	}
	if m.content == nil {
		m.content = []byte{}
	}
	return m, nil
}

// firstError keeps the first error of several calls.
func firstError(before error) func(message.Path, error) (message.Path, error) {
	return func(p message.Path, err error) (message.Path, error) {
		if before != nil {
			err = before
		}
		return p, err
	}
}

// splitAddresses splits at commas outside of quotes.
func splitAddresses(s string) []string {
	var all []string
	from, inside := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			inside = !inside
		case s[i] == ',' && !inside:
			all = append(all, s[from:i])
			from = i + 1
		}
	}
	return append(all, s[from:])
}

// crlf ends lines by CRLF.
func crlf(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")) }

func needs(v string) (n session.Needs) {
	for word := range strings.SplitSeq(v, ",") {
		for bit := session.NeedSize; bit <= session.NeedAuth; bit <<= 1 {
			if bit.String() == word {
				n |= bit
			}
		}
	}
	return n
}

// deliverBy reads "120R", "-5N" or "60RT".
func deliverBy(v string) (*codec.DeliverBy, error) {
	by := &codec.DeliverBy{}
	rest, trace := strings.CutSuffix(v, "T")
	by.Trace = trace
	digits, ret := strings.CutSuffix(rest, "R")
	if by.Return = ret; !ret {
		digits = strings.TrimSuffix(rest, "N")
	}
	var err error
	by.Seconds, err = strconv.ParseInt(digits, 10, 64)
	return by, err
}

// requests are the calls for single commands.
var requests = map[string]fsm.Command{
	"verify": fsm.Vrfy, "expand": fsm.Expn, "noop": fsm.Noop, "help": fsm.Help, "rset": fsm.Rset, "line": fsm.Other,
}

// readRequest reads a "call verify arg" and its like.
func readRequest(s *smtpt.Step) *session.Request {
	r := &session.Request{Command: requests[s.Attrs[0].Key]}
	var args []string
	for _, a := range s.Attrs[1:] {
		word := strings.Trim(a.String(), `"`)
		octets, _, err := smtpt.Unescape(word)
		if err == nil {
			word = string(octets)
		}
		args = append(args, word)
	}
	r.Arg = strings.Join(args, " ")
	return r
}
