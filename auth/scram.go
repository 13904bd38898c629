package auth

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// scramNonce is the number of random octets in a nonce.
const scramNonce = 18

// scramExchange is SCRAM (RFC 5802, RFC 7677), with and without channel
// binding. The library computes; this file reads every server message first,
// because the library would derive a key of 2^31 iterations if told to and
// passes over a mandatory extension that does not come first.
type scramExchange struct {
	creds  *Credentials
	policy *Policy
	hash   scram.HashGeneratorFcn
	name   string // without -PLUS
	plus   bool

	nonce  string // ours; made by start unless a test has set it
	run    func(serverMessage string) (string, error)
	proof  string
	proved bool
}

func newScram(hash scram.HashGeneratorFcn, name string, plus bool) func(*Credentials, *Policy) exchange {
	return func(c *Credentials, p *Policy) exchange {
		return &scramExchange{creds: c, policy: p, hash: hash, name: name, plus: plus}
	}
}

func (m *scramExchange) start(link *Link) ([]byte, error) {
	user, password, authzID, err := m.creds.login(m.policy)
	if err != nil {
		return nil, err
	}
	if m.nonce == "" {
		random, err := m.policy.random(scramNonce)
		if err != nil {
			return nil, err
		}
		m.nonce = base64.StdEncoding.EncodeToString(random)
	}
	client, err := m.hash.NewClientUnprepped(user, password, authzID)
	if err != nil {
		return nil, broken(RuleInternal, "SCRAM library")
	}
	client.WithMinIterations(m.policy.minIterations()).WithNonceGenerator(func() string { return m.nonce })
	conversation, err := m.conversation(client, link)
	if err != nil {
		return nil, err
	}
	m.run = conversation.Step
	first, err := m.run("")
	if err != nil {
		return nil, broken(RuleInternal, "SCRAM library")
	}
	return []byte(first), nil
}

// conversation decides on the flag of the GS2 header (RFC 5802 §6): "p" with
// -PLUS; "y", which lets the server notice that its -PLUS was stripped on the
// way, when this side could bind; else "n".
func (m *scramExchange) conversation(client *scram.Client, link *Link) (*scram.ClientConversation, error) {
	b, err := m.policy.bind(link)
	switch {
	case m.plus && err != nil:
		return nil, err
	case m.plus:
		return client.NewConversationWithChannelBinding(scram.ChannelBinding{
			Type: scram.ChannelBindingType(b.kind), Data: b.data,
		}), nil
	case err != nil:
		return client.NewConversation(), nil
	case slices.ContainsFunc(link.Offered, func(o string) bool { return strings.EqualFold(o, m.name+plusSuffix) }):
		return nil, broken(RuleDowngrade, "")
	}
	return client.NewConversationAdvertisingChannelBinding(), nil
}

func (m *scramExchange) next(challenge []byte) ([]byte, error) {
	switch {
	case m.proved:
		return nil, broken(RuleUnexpectedChallenge, "after the server's proof")
	case m.proof == "":
		return m.final(challenge)
	}
	return m.verify(challenge)
}

// final answers the server-first-message with the client's proof.
func (m *scramExchange) final(challenge []byte) ([]byte, error) {
	if err := m.readFirst(challenge); err != nil {
		return nil, err
	}
	response, err := m.run(string(challenge))
	if err != nil {
		return nil, brokenBy(RuleBadChallenge, "", challenge)
	}
	if i := strings.LastIndex(response, ",p="); i >= 0 {
		m.proof = response[i+len(",p="):]
	}
	return []byte(response), nil
}

// readFirst holds a server-first-message to the grammar of RFC 5802 §7 and to
// the policy's bounds, before any key is derived.
func (m *scramExchange) readFirst(challenge []byte) error {
	fields, err := scramFields(challenge)
	if err != nil {
		return err
	}
	if len(fields) < 3 || fields[0].key != 'r' || fields[1].key != 's' || fields[2].key != 'i' {
		return brokenBy(RuleBadChallenge, "not r=, s=, i=", challenge)
	}
	nonce, salt, count := fields[0].value, fields[1].value, fields[2].value
	if !strings.HasPrefix(nonce, m.nonce) || len(nonce) == len(m.nonce) {
		return brokenBy(RuleNonce, "", challenge)
	}
	if strings.ContainsFunc(nonce, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return brokenBy(RuleBadChallenge, "nonce is not printable ASCII", challenge)
	}
	if raw, err := base64.StdEncoding.DecodeString(salt); err != nil || len(raw) == 0 {
		return brokenBy(RuleBadChallenge, "salt", challenge)
	}
	return m.readCount(count, challenge)
}

func (m *scramExchange) readCount(count string, challenge []byte) error {
	if count == "" || strings.Trim(count, "0123456789") != "" {
		return brokenBy(RuleBadChallenge, "iteration count", challenge)
	}
	n, err := strconv.Atoi(count)
	floor, ceiling := m.policy.minIterations(), m.policy.maxIterations()
	switch {
	case err != nil || n > ceiling: // digits only, so the error is one of range
		return broken(RuleManyIterations, "limit "+strconv.Itoa(ceiling))
	case n < floor:
		return broken(RuleFewIterations, strconv.Itoa(n)+", at least "+strconv.Itoa(floor))
	}
	return nil
}

// verify reads the server-final-message. SMTP has no place for it beside 235,
// so it comes as a challenge and is answered with nothing (RFC 4954 §4).
func (m *scramExchange) verify(challenge []byte) ([]byte, error) {
	fields, err := scramFields(challenge)
	if err != nil {
		return nil, err
	}
	if fields[0].key != 'v' {
		return nil, brokenBy(RuleBadChallenge, "neither v= nor e=", challenge)
	}
	if _, err := m.run(string(challenge)); err != nil {
		return nil, broken(RuleServerProof, "")
	}
	m.proved = true
	return []byte{}, nil
}

func (m *scramExchange) success() error {
	if !m.proved {
		return broken(RuleNoServerProof, "")
	}
	return nil
}

func (m *scramExchange) secrets() []string { return []string{m.proof} }

// scramField is one attribute of a message.
type scramField struct {
	key   byte
	value string
}

// scramFields takes a server's message apart; there is at least one field in
// it. "m=" is fatal wherever it stands, as is "e=" at the front.
func scramFields(message []byte) ([]scramField, error) {
	parts := strings.Split(string(message), ",")
	fields := make([]scramField, len(parts))
	for i, part := range parts {
		if len(part) < 2 || part[1] != '=' || !isLetter(part[0]) {
			return nil, brokenBy(RuleBadChallenge, "no attribute", message)
		}
		fields[i] = scramField{key: part[0], value: part[2:]}
		switch {
		case part[0] == 'm':
			return nil, brokenBy(RuleMandatoryExtension, "", message)
		case part[0] == 'e' && i == 0:
			return nil, brokenBy(RuleServerError, "", []byte(part[2:]))
		}
	}
	return fields, nil
}

func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }
