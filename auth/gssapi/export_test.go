package gssapi

import (
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// NewWithTicket returns the mechanism over one ticket, without a KDC. The
// error stands for one of the KDC's.
func NewWithTicket(authzID, realm string, name types.PrincipalName, t messages.Ticket, key types.EncryptionKey, err error) *Mechanism {
	return &Mechanism{authzID: authzID, close: func() {}, tickets: func(service string) (*ticket, error) {
		if err != nil {
			return nil, err
		}
		return &ticket{ticket: t, key: key, name: name, realm: realm}, nil
	}}
}

// Asked returns a list that will hold what tickets the mechanism asks for.
func Asked(m *Mechanism) *[]string {
	var asked []string
	inner := m.tickets
	m.tickets = func(service string) (*ticket, error) {
		asked = append(asked, service)
		return inner(service)
	}
	return &asked
}

// The framing of tokens, for the acceptor of the tests.
var (
	Frame   = frame
	Unframe = unframe
)

const (
	TokenAPReq = tokenAPReq
	TokenAPRep = tokenAPRep
	TokenError = tokenError
)

// Wrap writes a wrap token with a given checksum.
func Wrap(flags byte, sequence uint64, payload, sum []byte) []byte {
	return wrapToken{flags, sequence, payload}.append(nil, sum)
}

// WrapHeader is what a checksum covers beside the payload.
func WrapHeader(flags byte, sequence uint64) []byte {
	return wrapToken{flags: flags, sequence: sequence}.header(0)
}

// ParseWrap takes a wrap token apart.
func ParseWrap(token []byte) (flags byte, sequence uint64, payload, sum []byte, ok bool) {
	t, sum, ok := parseWrapToken(token)
	return t.flags, t.sequence, t.payload, sum, ok
}
