package gssapi

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/parley-mail/parley/auth"
)

// Limits, in octets.
const (
	maxChallenge = auth.DefaultMaxChallenge
	maxAuthzID   = 4096
	maxText      = 1024 // of what a server says that an error keeps
)

// Mechanism is GSSAPI. It implements auth.Mechanism.
type Mechanism struct {
	service, authzID string
	tickets          func(service string) (*ticket, error)
	close            func()

	stage   stage
	rounds  int
	context *secContext
	failed  error
}

// stage is what the exchange waits for.
type stage uint8

const (
	idle       stage = iota // Start
	waitReply               // the server's AP-REP
	waitLayers              // the wrapped list of security layers
	complete                // nothing; the outcome
)

// New returns the mechanism. It reads the configuration, and the keytab or the
// credential cache, and sends nothing. The error is an *auth.Error.
func New(c Config) (*Mechanism, error) {
	switch {
	case len(c.AuthzID) > maxAuthzID:
		return nil, fail(auth.StepChoose, auth.RuleLongCredential, "authorization identity", nil)
	case !utf8.ValidString(c.AuthzID) || strings.IndexByte(c.AuthzID, 0) >= 0:
		return nil, fail(auth.StepChoose, auth.RuleBadCredential, "authorization identity", nil)
	}
	cl, err := c.open()
	if err != nil {
		return nil, err
	}
	return &Mechanism{
		service: c.Service,
		authzID: c.AuthzID,
		tickets: fetch(cl),
		close:   cl.Destroy,
	}, nil
}

// Close forgets tickets and keys and stops their renewal.
func (m *Mechanism) Close() {
	m.close()
	m.stage, m.context = idle, nil
}

// Prepare gets the ticket for a host, so that Start need not talk to the KDC. The
// service is that of the Config, "smtp" without one.
func (m *Mechanism) Prepare(host string) error {
	_, err := m.ticket(&auth.Link{Host: host})
	return err
}

// Name implements auth.Mechanism.
func (m *Mechanism) Name() string { return "GSSAPI" }

// Start implements auth.Mechanism: the initial response is the AP-REQ.
func (m *Mechanism) Start(link *auth.Link) ([]byte, error) {
	m.stage, m.rounds, m.context, m.failed = idle, 0, nil, nil
	if link == nil {
		link = &auth.Link{}
	}
	t, err := m.ticket(link)
	if err != nil {
		return nil, m.end(err)
	}
	context, token, err := newContext(t)
	if err != nil {
		return nil, m.end(err)
	}
	m.stage, m.context = waitReply, context
	return token, nil
}

// ticket returns a ticket for the service on the host.
func (m *Mechanism) ticket(link *auth.Link) (*ticket, error) {
	if link.Host == "" || strings.ContainsAny(link.Host, "/@\x00") {
		return nil, fail(auth.StepStart, auth.RuleNoHost, "target of the ticket", nil)
	}
	target := cmp.Or(m.service, link.Service, "smtp") + "/" + link.Host
	t, err := m.tickets(target)
	if err != nil {
		return nil, fail(auth.StepStart, auth.RuleNoTicket, target, err)
	}
	return t, nil
}

// Next implements auth.Mechanism.
func (m *Mechanism) Next(challenge []byte) ([]byte, error) {
	if m.failed != nil {
		return nil, m.failed
	}
	m.rounds++
	response, err := m.next(challenge)
	if err != nil {
		return nil, m.end(err)
	}
	return response, nil
}

func (m *Mechanism) next(challenge []byte) ([]byte, error) {
	if len(challenge) > maxChallenge {
		return nil, fail(0, auth.RuleLongChallenge, "limit 16384 octets", nil)
	}
	switch m.stage {
	case waitReply:
		if err := m.context.accept(challenge); err != nil {
			return nil, err
		}
		m.stage = waitLayers
		return []byte{}, nil
	case waitLayers:
		response, err := m.layers(challenge)
		if err == nil {
			m.stage = complete
		}
		return response, err
	case complete:
		return nil, fail(0, auth.RuleUnexpectedChallenge, "", nil)
	}
	return nil, fail(0, auth.RuleNotStarted, "", nil)
}

// The security layers of RFC 4752 §3.3.
const layerNone = 1

// layers answers the server's list of security layers, of which only "none"
// is to be had: the layer, three octets for the size of the messages that
// there will not be, and the identity to act as.
func (m *Mechanism) layers(challenge []byte) ([]byte, error) {
	offer, err := m.context.unwrap(challenge)
	switch {
	case err != nil:
		return nil, err
	case len(offer) != 4:
		return nil, fail(0, auth.RuleBadChallenge, "list of security layers is not 4 octets", nil)
	case offer[0]&layerNone == 0:
		return nil, fail(0, auth.RuleUnsupported, "the server insists on a security layer", nil)
	}
	return m.context.wrap(append([]byte{layerNone, 0, 0, 0}, m.authzID...))
}

// Success implements auth.Mechanism.
func (m *Mechanism) Success() error {
	if m.failed != nil {
		return m.failed
	}
	rule := auth.RuleEnded
	switch m.stage {
	case complete:
		return nil
	case idle:
		rule = auth.RuleNotStarted
	case waitReply:
		rule = auth.RuleNoServerProof
	}
	m.failed = fail(auth.StepSuccess, rule, "", nil)
	return m.failed
}

// Explain is found by auth.Explain: the Kerberos error a server has sent.
func (m *Mechanism) Explain() error { return m.failed }

// end ends the exchange for good.
func (m *Mechanism) end(err error) error {
	var e *auth.Error
	if errors.As(err, &e) && e.Step == 0 {
		e.Step = auth.Step(m.rounds)
	}
	m.failed, m.context = err, nil
	return err
}

// String returns the mechanism's name.
func (m *Mechanism) String() string { return m.Name() }

// Format writes the mechanism's name for every verb.
func (m *Mechanism) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.Name()) }

// LogValue returns the mechanism's name.
func (m *Mechanism) LogValue() slog.Value { return slog.StringValue(m.Name()) }

// MarshalText returns the mechanism's name.
func (m *Mechanism) MarshalText() ([]byte, error) { return []byte(m.Name()), nil }

// fail makes an error of this mechanism. Step 0 is filled in by end.
func fail(step auth.Step, rule auth.Rule, detail string, cause error) *auth.Error {
	return &auth.Error{Mechanism: "GSSAPI", Step: step, Rule: rule, Detail: detail, Err: cause}
}
