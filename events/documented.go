package events

import "crypto/x509"

// The documented events of a property-driven SMTP class, with its parameters under
// its own names.
type (
	// ConnectionStatus: the state of the connection changed.
	ConnectionStatus struct {
		Meta
		ConnectionEvent string `json:"connection_event"`
		StatusCode      int    `json:"status_code"` // 0: fine; otherwise the system's or TLS's code
		Description     string `json:"description"`
	}

	// PITrail: one line of the dialogue. Secrets are masked; headers and body of the
	// message are not traced.
	PITrail struct {
		Meta
		Direction Direction `json:"direction"`
		Message   string    `json:"message"`
	}

	// StartTransfer: the content starts to go out; not fired for an empty one.
	StartTransfer struct {
		Meta
		Direction Direction `json:"direction"`
	}

	// Transfer: a part of the content went out.
	Transfer struct {
		Meta
		Direction        Direction `json:"direction"`
		BytesTransferred int64     `json:"bytes_transferred"` // from the beginning of the content
		PercentDone      int       `json:"percent_done"`      // -1: the length is not known
		Text             []byte    `json:"-"`                 // the part; borrowed
	}

	// EndTransfer: the content is out. The server has not answered yet.
	EndTransfer struct {
		Meta
		Direction Direction `json:"direction"`
	}

	// Expand: one address that EXPN returned.
	Expand struct {
		Meta
		Address string `json:"address"`
	}

	// Error: a problem that does not stop the method, such as a refused recipient that
	// policy lets pass.
	Error struct {
		Meta
		ErrorCode   int    `json:"error_code"`
		Description string `json:"description"`
	}

	// SSLServerAuthentication: the server showed its certificate. A handler may change
	// Accept either way.
	SSLServerAuthentication struct {
		Meta
		CertEncoded  []byte              `json:"-"`
		CertSubject  string              `json:"cert_subject"`
		CertIssuer   string              `json:"cert_issuer"`
		Status       string              `json:"status"` // "OK" or why it would be refused
		Certificates []*x509.Certificate `json:"-"`
		Accept       bool                `json:"accept"`
	}

	// SSLStatus: progress of the TLS handshake, or a line of the record log.
	SSLStatus struct {
		Meta
		Message string `json:"message"`
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
	return "direction(?)"
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
