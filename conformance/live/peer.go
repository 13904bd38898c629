package live

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/foreign"
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

// Claim is how a client has ended, and what it says about a task.
type Claim = foreign.Exit

// Peer is a client. Do returns when the client has ended, or soon after the context has.
// An error means that there was no client to speak of: nothing can be said about it.
type Peer interface {
	Do(ctx context.Context, t *Task) (*Claim, error)
}

// PeerFunc is a client in process.
type PeerFunc func(ctx context.Context, t *Task) (*Claim, error)

// Do calls the function.
func (f PeerFunc) Do(ctx context.Context, t *Task) (*Claim, error) { return f(ctx, t) }
