package conformance

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/events"
)

// program is a case made ready to be played many times.
type program struct {
	settings *settings
	mails    []*mail
	octets   map[*smtpt.Step][]byte // what each line of the server is on the wire
	servers  []*smtpt.Step          // lines of the server in the order of the script
	wanted   events.Set
	dial     bool // the script says how the connection comes about
	extra    bool // the caller has parameters of his own
	lastCall *smtpt.Step
}

// compile checks everything about a case that can be known before it is played.
func compile(c *Case) (*program, error) {
	g := &program{octets: map[*smtpt.Step][]byte{}}
	var err error
	if g.settings, err = readSettings(c); err != nil {
		return nil, err
	}
	g.wanted = events.Of(events.KindStateChanged, events.KindCommandSent, events.KindReplyReceived, events.KindAnomaly, events.KindViolation,
		events.KindExtensionsOffered, events.KindAccepted, events.KindRejected, events.KindOutcomeUnknown, events.KindClosed)
	first := true
	smtpt.Walk(c.Script.Steps, func(s *smtpt.Step) {
		if err != nil {
			return
		}
		err = g.step(c, s)
		switch s.Kind {
		case smtpt.Conn, smtpt.TLS:
			word := s.Attrs[0].Key
			g.dial = g.dial || first && (s.Kind == smtpt.TLS || word == "refuse" || word == "accept-delay")
			first = false
		case smtpt.Server, smtpt.Client:
			first = false
		}
	})
	if err == nil && g.settings.implicit && !g.dial {
		err = errorAt(c, smtpt.Pos{Line: 1, Col: 1}, "tls=implicit: the script begins with TLS:")
	}
	return g, err
}

func (g *program) step(c *Case, s *smtpt.Step) error {
	switch s.Kind {
	case smtpt.Server:
		line, ok := s.Pattern.Fill(g.vars)
		if !ok {
			return errorAt(c, s.Pos, "a template in the line cannot be filled in")
		}
		if v, ok := s.Get("rep"); ok {
			n, _ := strconv.Atoi(v)
			if n*len(line) > smtpt.Repeats {
				return errorAt(c, s.Pos, "too much")
			}
			line = bytes.Repeat(line, n)
		}
		g.octets[s] = line
		g.servers = append(g.servers, s)
	case smtpt.Call:
		g.lastCall = s
		return g.call(c, s)
	case smtpt.Event:
		kind, ok := kindByName[s.Attrs[0].Key]
		if !ok {
			return errorAt(c, s.Pos, "no event %q", s.Attrs[0].Key)
		}
		g.wanted |= events.Of(kind)
	case smtpt.Result:
		return checkResult(c, s)
	case smtpt.Conn:
		if !slices.Contains(connWords, s.Attrs[0].Key) {
			return errorAt(c, s.Pos, "X: is followed by one of %s", strings.Join(connWords, ", "))
		}
	case smtpt.TLS:
		if !slices.Contains(tlsWords, s.Attrs[0].Key) {
			return errorAt(c, s.Pos, "TLS: is followed by one of %s", strings.Join(tlsWords, ", "))
		}
	case smtpt.Content:
		if name, ok := strings.CutPrefix(strings.TrimPrefix(s.Text, "unstuffed="), "@"); ok {
			if _, ok := c.Script.File(name); !ok {
				return errorAt(c, s.Pos, "there is no file %q", name)
			}
		}
	}
	for _, cond := range s.Conds {
		if !slices.Contains(conditions, strings.TrimPrefix(cond, "!")) {
			return errorAt(c, s.Pos, "no condition %q: there are %s", cond, strings.Join(conditions, ", "))
		}
	}
	return nil
}

var (
	connWords  = []string{"fin", "rst", "halfclose", "stall", "zerowindow", "accept-delay", "refuse", "client-fin"}
	tlsWords   = []string{"server", "fail", "no-close-notify"}
	conditions = []string{"strict", "lenient", "tls", "looplab", "compiled", "virtual"}
	callWords  = []string{"open", "send", "verify", "expand", "noop", "help", "rset", "line", "quit", "stay", "abort"}
)

func (g *program) call(c *Case, s *smtpt.Step) error {
	word := s.Attrs[0].Key
	switch {
	case !slices.Contains(callWords, word):
		return errorAt(c, s.Pos, "call is followed by one of %s", strings.Join(callWords, ", "))
	case word == "send":
		m, err := readMail(c, s)
		if err != nil {
			return err
		}
		g.extra = g.extra || s.Has("extra") || s.Has("rcpt-extra")
		g.mails = append(g.mails, m)
	}
	return nil
}

var kindByName = func() map[string]events.Kind {
	names := map[string]events.Kind{}
	for k := events.KindConnected; events.All.Has(k); k++ {
		names[k.String()] = k
	}
	return names
}()

// vars are the values that templates may name.
func (g *program) vars(name string) (string, bool) {
	if name == "name" {
		return g.settings.cfg.Hello, true
	}
	if arg, ok := strings.CutPrefix(name, "scram:"); ok {
		return g.settings.scram(arg)
	}
	return "", false
}
