package live

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// Task is what a client is asked to do: to send one message to one server.
type Task struct {
	*conformance.Errand
	Host     string // an address literal of IPv4
	Port     int
	CA       string        // a PEM file with the authority that the server's certificate leads to
	File     string        // the message
	Result   string        // a file that the client may write its JSON line to; it does not exist
	TokenIn  string        // a file with the token
	Patience time.Duration // how long the client shall wait for a reply
}

// Values returns the task as values for placeholders and, in upper case behind "PARLEY_",
// for the environment.
func (t *Task) Values() map[string]string {
	v := map[string]string{
		"host": t.Host, "port": strconv.Itoa(t.Port), "hello": t.Hello, "from": t.From,
		"to": strings.Join(t.To, ","), "rcpts": strings.Join(t.To, ","), "file": t.File,
		"proto": "smtp", "tls": t.TLS, "ca": t.CA, "user": t.User, "password": t.Errand.Password,
		"auth": "none", "token": t.Token, "token_file": t.TokenIn, "plaintext": "no", "data": t.Data,
		"timeout": strconv.Itoa(max(1, int(t.Patience/time.Second))), "result": t.Result,
	}
	if t.LMTP {
		v["proto"] = "lmtp"
	}
	if t.Plaintext {
		v["plaintext"] = "yes"
	}
	if t.Mechanisms != nil {
		v["auth"] = strings.Join(t.Mechanisms, ",")
	}
	return v
}

// Claim is what a client says about a task.
type Claim struct {
	Code       int                // the exit code; see the constants
	Crash      string             // how it came to grief instead of ending: a signal, a panic
	Hangs      bool               // it did not end, and was ended
	Recipients []ClaimedRecipient // empty: it says nothing about each
	RSS        int64              // the most memory it had, in octets; 0: not known
	Output     string             // the end of what it wrote to standard error
}

// ClaimedRecipient is what a client says about one recipient, in the words of
// "parley send --json": accepted, refused, not_sent or unknown.
type ClaimedRecipient struct {
	Address string `json:"address"`
	Outcome string `json:"outcome"`
}

// The exit codes of the contract, beside the others from 64 to 78.
const (
	CodeAccepted      = 0
	CodePermanent     = 69
	CodeTemporary     = 75
	CodeUnknown       = 79 // the end of the content was sent, and nobody knows
	CodeUnimplemented = 89 // the client cannot do what the case needs
)

// notAccepted reports whether an exit code says that the message was not accepted: all
// those of sysexits do, each in its way.
func notAccepted(code int) bool { return code >= 64 && code <= 78 }

// Peer is a client. Do returns when the client has ended, or soon after the context has.
// An error means that there was no client to speak of: nothing can be said about it.
type Peer interface {
	Do(ctx context.Context, t *Task) (*Claim, error)
}

// PeerFunc is a client in process.
type PeerFunc func(ctx context.Context, t *Task) (*Claim, error)

// Do calls the function.
func (f PeerFunc) Do(ctx context.Context, t *Task) (*Claim, error) { return f(ctx, t) }

// readRecipients reads the last line of a client's output that is a JSON object with
// recipients; there need be none.
func readRecipients(output []byte) []ClaimedRecipient {
	var found []ClaimedRecipient
	for line := range strings.Lines(string(output)) {
		var doc struct{ Recipients []ClaimedRecipient }
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &doc) == nil {
			found = doc.Recipients
		}
	}
	return found
}
