package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// Errand is what a case asks of a client, in terms that every client knows: one message,
// and how to reach the server.
type Errand struct {
	Hello      string // the client's name
	LMTP       bool
	TLS        string   // "none", "starttls" or "implicit"; what is not "none" is required
	InClear    bool     // the case itself would do without TLS; a client is told to insist all the same
	Mechanisms []string // of AUTH; "any" is one of them where the choice is the client's; nil: no AUTH
	User       string
	Password   string
	Token      string // for mechanisms that know no password
	Plaintext  bool   // secrets may be said in clear
	Data       string // "auto", "data" or "bdat"
	From       string // "" is the null path
	To         []string
	Content    []byte // as it shall arrive: line ends are CRLF unless the case is about others
}

// ErrOwn is why a case cannot be asked of a client other than this project's.
var ErrOwn = errors.New("only this engine can be asked for it")

// Errand returns what the case asks of a client. An error wraps [ErrOwn] where it asks
// for what other clients have no word for.
func (c *Case) Errand() (*Errand, error) {
	e := &Errand{Hello: defaultName, TLS: "none", Data: "auto"}
	sends := 0
	var err error
	smtpt.Walk(c.Script.Steps, func(s *smtpt.Step) {
		if s.Kind != smtpt.Call || err != nil {
			return
		}
		switch word := s.Attrs[0].Key; word {
		case "open":
			err = e.open(s.Attrs[1:])
		case "send":
			sends++
			err = e.send(c, s)
		default:
			err = fmt.Errorf("call %s: %w", word, ErrOwn)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case sends != 1:
		return nil, fmt.Errorf("%d messages: %w", sends, ErrOwn)
	}
	return e, nil
}

func (e *Errand) open(attrs []smtpt.Attr) error {
	for _, a := range attrs {
		v := string(a.Octets())
		switch a.Key {
		case "name":
			e.Hello = v
		case "lmtp":
			e.LMTP = true
		case "tls":
			e.TLS = map[string]string{"never": "none", "opportunistic": "starttls", "required": "starttls", "implicit": "implicit"}[v]
			e.InClear = v == "opportunistic"
		case "auth":
			e.Mechanisms = strings.Split(v, ",")
		case "user":
			e.User = v
		case "pass":
			e.Password = v
		case "token":
			e.Token = v
		case "plaintext":
			e.Plaintext = true
		case "data":
			e.Data = v
		case "host", "port": // of TLS and of GSSAPI: the client is told where the server really is
		case "rset": // a hint for more messages than one
		default:
			return fmt.Errorf("call open %s: %w", a.Key, ErrOwn)
		}
	}
	return nil
}

func (e *Errand) send(c *Case, s *smtpt.Step) error {
	for _, a := range s.Attrs[1:] {
		switch a.Key {
		case "from", "to", "body", "body-fill", "stream", "kind", "size": // size: how well it is known
		default:
			return fmt.Errorf("call send %s: %w", a.Key, ErrOwn)
		}
	}
	if v, ok := s.Get("size"); ok && v != "no" {
		return fmt.Errorf("call send size=%s: %w", v, ErrOwn)
	}
	m, err := readMail(c, s)
	if err != nil {
		return err
	}
	for _, a := range s.Attrs {
		switch v := string(a.Octets()); a.Key {
		case "from":
			e.From = v
		case "to":
			e.To = splitAddresses(v)
		}
	}
	e.Content = m.content
	if slices.Contains(m.content, 0) {
		return fmt.Errorf("NUL in the content: %w", ErrOwn)
	}
	return nil
}
