package events

import (
	"crypto/x509"
	"strconv"
)

// The documented events of a property-driven SMTP class, with its parameters under
// its own names.
type (
	// ConnectionStatus: the state of the connection changed.
	ConnectionStatus struct {
		Meta
		ConnectionEvent string
		StatusCode      int // 0: fine; otherwise the system's or TLS's code
		Description     string
	}

	// PITrail: one line of the dialogue. Secrets are masked; headers and body of the
	// message are not traced.
	PITrail struct {
		Meta
		Direction Direction
		Message   string
	}

	// StartTransfer: the content starts to go out; not fired for an empty one.
	StartTransfer struct {
		Meta
		Direction Direction
	}

	// Transfer: a part of the content went out.
	Transfer struct {
		Meta
		Direction        Direction
		BytesTransferred int64  // from the beginning of the content
		PercentDone      int    // -1: the length is not known
		Text             []byte `json:"-"` // the part; borrowed
	}

	// EndTransfer: the content is out. The server has not answered yet.
	EndTransfer struct {
		Meta
		Direction Direction
	}

	// Expand: one address that EXPN returned.
	Expand struct {
		Meta
		Address string
	}

	// Error: a problem that does not stop the method, such as a refused recipient that
	// policy lets pass.
	Error struct {
		Meta
		ErrorCode   int
		Description string
	}

	// SSLServerAuthentication: the server showed its certificate. A handler may change
	// Accept either way.
	SSLServerAuthentication struct {
		Meta
		CertEncoded  []byte `json:"-"`
		CertSubject  string
		CertIssuer   string
		Status       string              // "OK" or why it would be refused
		Certificates []*x509.Certificate `json:"-"`
		Accept       bool
	}

	// SSLStatus: progress of the TLS handshake, or a line of the record log.
	SSLStatus struct {
		Meta
		Message string
	}
)

// Direction tells who spoke.
type Direction uint8

// The directions.
const (
	FromClient Direction = iota // 0
	FromServer                  // 1
	FromEngine                  // 2: information from the engine itself
)

var directionNames = [...]string{"client", "server", "engine"}

// String returns "client", "server" or "engine".
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return "direction(" + strconv.Itoa(int(d)) + ")"
}

// Kind implements [Event].
func (*ConnectionStatus) Kind() Kind        { return KindConnectionStatus }
func (*PITrail) Kind() Kind                 { return KindPITrail }
func (*StartTransfer) Kind() Kind           { return KindStartTransfer }
func (*Transfer) Kind() Kind                { return KindTransfer }
func (*EndTransfer) Kind() Kind             { return KindEndTransfer }
func (*Expand) Kind() Kind                  { return KindExpand }
func (*Error) Kind() Kind                   { return KindError }
func (*SSLServerAuthentication) Kind() Kind { return KindSSLServerAuthentication }
func (*SSLStatus) Kind() Kind               { return KindSSLStatus }
