package foreign

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/parley-mail/parley/conformance"
)

// Kind is what is wrong with a client.
type Kind string

// The kinds.
const (
	Crash         Kind = "crash"
	Hang          Kind = "hang"
	Memory        Kind = "memory"
	FalseAccepted Kind = "false-accepted" // it says so, and the server has not
	FalseRefused  Kind = "false-refused"  // it says so, and the server has accepted
)

// Fault is something that is wrong with a client.
type Fault struct {
	Kind Kind
	Text string
	key  string // faults with the same are one
}

// play is one run of a client, and what was said.
type play struct {
	client *Client
	end    *end
	server *conformance.Provoker
}

var particulars = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+|"[^"]*"|'[^']*'`)

// fault says what is wrong with the play; nil: nothing.
func (p *play) fault() *Fault {
	e, truth := p.end, p.server.Truth
	fault := func(kind Kind, format string, args ...any) *Fault {
		text := fmt.Sprintf(format, args...)
		return &Fault{Kind: kind, Text: text, key: string(kind) + particulars.ReplaceAllString(text, "…")}
	}
	if how := e.crash(); how != "" {
		return fault(Crash, "it comes to grief: %s", how)
	}
	switch {
	case e.hung:
		return fault(Hang, "it goes on when the session is over; the last answer was the one to %s", p.lastVerb())
	case e.rss > p.client.Memory:
		return fault(Memory, "it takes %d MiB", e.rss>>20)
	case e.code == 0 && !truth.Ended:
		return fault(FalseAccepted, "it says that the message is accepted, and has not sent the end of the content")
	case e.code == 0 && !truth.Accepted:
		return fault(FalseAccepted, "it says that the message is accepted, and no complete 2yz came behind the end of the content")
	case refusedCode(e.code) && truth.Clean:
		return fault(FalseRefused, "it says that the message is not accepted (exit code %d), and a server that had done nothing strange took it for all recipients; the last answer was the one to %s",
			e.code, p.lastVerb())
	}
	return nil
}

// lastVerb is the command that was answered last.
func (p *play) lastVerb() string {
	trail := p.server.Trail
	if len(trail) == 0 {
		return "nothing"
	}
	verb, _, _ := strings.Cut(trail[len(trail)-1], " ")
	switch verb {
	case "":
		return "the connection"
	case ".":
		return "the end of the content"
	}
	return verb
}
