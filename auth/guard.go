package auth

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// exchange is the part of a mechanism that differs from the others. A guard
// stands around it: an exchange is made anew for every Start, is never called
// out of order, and never sees a challenge that is too long.
type exchange interface {
	start(link *Link) ([]byte, error)
	next(challenge []byte) ([]byte, error)
	success() error
}

// guard is the Mechanism around an exchange. It holds what all mechanisms have
// in common: the order of calls, the caps, the link's policy, and errors that
// carry name and step and no secret.
type guard struct {
	info   Info
	creds  Credentials
	policy Policy
	make   func(*Credentials, *Policy) exchange

	run    exchange
	rounds int
	failed error
}

// Name implements Mechanism.
func (g *guard) Name() string { return g.info.Name }

// Start implements Mechanism.
func (g *guard) Start(link *Link) ([]byte, error) {
	g.run, g.rounds, g.failed = nil, 0, nil
	if link == nil {
		link = &Link{}
	}
	if g.info.Reveals {
		if rule := g.policy.mayReveal(link); rule != RuleNone {
			return nil, g.fail(StepStart, broken(rule, ""))
		}
	}
	run := g.make(&g.creds, &g.policy)
	initial, err := run.start(link)
	if err != nil {
		return nil, g.fail(StepStart, err)
	}
	g.run = run
	return initial, nil
}

// Next implements Mechanism.
func (g *guard) Next(challenge []byte) ([]byte, error) {
	step := Step(g.rounds + 1)
	switch {
	case g.failed != nil:
		return nil, g.failed
	case g.run == nil:
		return nil, g.fail(step, broken(RuleNotStarted, ""))
	case g.rounds >= g.policy.maxRounds():
		return nil, g.fail(step, broken(RuleManyChallenges, "limit "+strconv.Itoa(g.policy.maxRounds())))
	case len(challenge) > g.policy.maxChallenge():
		return nil, g.fail(step, broken(RuleLongChallenge, "limit "+strconv.Itoa(g.policy.maxChallenge())+" octets"))
	}
	g.rounds++
	response, err := g.run.next(challenge)
	if err != nil {
		return nil, g.fail(step, err)
	}
	if response == nil {
		response = []byte{}
	}
	return response, nil
}

// Success implements Mechanism.
func (g *guard) Success() error {
	if g.failed != nil {
		return g.failed
	}
	if g.run == nil {
		return g.fail(StepSuccess, broken(RuleNotStarted, ""))
	}
	if err := g.run.success(); err != nil {
		return g.fail(StepSuccess, err)
	}
	return nil
}

// Explain is found by the function of that name.
func (g *guard) Explain() error {
	if e, ok := g.run.(interface{ explain() *Error }); ok {
		if err := e.explain(); err != nil {
			return g.name(StepSuccess, err)
		}
	}
	return g.failed
}

// IgnoresChallenge is found by the function of that name.
func (g *guard) IgnoresChallenge() bool {
	m, ok := g.run.(interface{ ignoresChallenge() bool })
	return ok && m.ignoresChallenge()
}

// fail ends the exchange for good.
func (g *guard) fail(step Step, err error) error {
	g.failed = g.name(step, err)
	return g.failed
}

// name completes an error: mechanism, step, and the server's text cut and with
// the credentials struck out, for a server can echo what it was told.
func (g *guard) name(step Step, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Rule: RuleInternal}
	}
	named := *e
	named.Mechanism, named.Step = g.info.Name, step
	named.Server = g.redact(named.Server)
	return &named
}

// String returns the mechanism's name.
func (g *guard) String() string { return g.info.Name }

// Format writes the mechanism's name for every verb.
func (g *guard) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, g.info.Name) }

// LogValue returns the mechanism's name.
func (g *guard) LogValue() slog.Value { return slog.StringValue(g.info.Name) }

// MarshalText returns the mechanism's name.
func (g *guard) MarshalText() ([]byte, error) { return []byte(g.info.Name), nil }
