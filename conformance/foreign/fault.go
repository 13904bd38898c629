package foreign

import (
	"fmt"
	"regexp"
	"strings"
	"time"

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
	Twice         Kind = "twice"          // it sends again what the server has accepted
)

// Fault is something that is wrong with a client.
type Fault struct {
	Kind Kind
	Text string
	key  string // faults with the same are one
}

// play is one run of a client, and what was said.
type play struct {
	exit   *Exit
	limit  int64         // of its memory
	waited time.Duration // for a server that was silent, beyond all patience
	server *conformance.Provoker
}

var particulars = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+|"[^"]*"|'[^']*'`)

// fault says what is wrong with the play; nil: nothing.
func (p *play) fault() *Fault {
	e, truth := p.exit, p.server.Truth
	fault := func(kind Kind, format string, args ...any) *Fault {
		text := fmt.Sprintf(format, args...)
		return &Fault{Kind: kind, Text: text, key: string(kind) + particulars.ReplaceAllString(text, "…")}
	}
	switch {
	case e.Crash != "":
		return fault(Crash, "it comes to grief: %s", e.Crash)
	case p.waited > 0:
		return fault(Hang, "it was told to wait for %s s, and still awaits an answer to %s after %v", replyTimeout, p.lastVerb(), p.waited)
	case e.Hung:
		return fault(Hang, "it goes on when the session is over; the last answer was the one to %s", p.lastVerb())
	case e.Memory > p.limit:
		return fault(Memory, "it takes %d MiB for the answer to %s", e.Memory>>20, p.lastVerb())
	case truth.Twice:
		return fault(Twice, "it sends the message again, and the server has taken it for all recipients")
	}
	for _, word := range p.words() {
		kind, text := p.lie(word)
		if text != "" {
			return fault(kind, "it says %s, and %s; the last answer was the one to %s", word.text, text, p.lastVerb())
		}
	}
	return nil
}

// word is what a client says of some recipients.
type word struct {
	text     string
	accepted bool // otherwise it says that it was not; who does not know says nothing
	to       []string
}

// words are what the client says about the message and each recipient.
func (p *play) words() (all []word) {
	switch {
	case p.exit.Code == CodeAccepted:
		all = append(all, word{"that the message is accepted for all", true, strings.Split(recipients, ",")})
	case p.exit.NotAccepted():
		all = append(all, word{fmt.Sprintf("that the message is not accepted (exit code %d)", p.exit.Code), false, nil})
	}
	for _, r := range p.exit.Recipients {
		switch r.Outcome {
		case "accepted", "refused", "not_sent":
			all = append(all, word{r.Outcome + " of " + r.Address + " in its line of JSON", r.Outcome == "accepted", []string{r.Address}})
		}
	}
	return all
}

// lie says what is untrue in a word; "": nothing.
func (p *play) lie(w word) (Kind, string) {
	truth := p.server.Truth
	switch {
	case !w.accepted && truth.Clean:
		return FalseRefused, "a server that had done nothing strange took it for all recipients"
	case !w.accepted:
		return "", ""
	case !truth.Ended:
		return FalseAccepted, "has not sent the end of the content"
	case !truth.Accepted:
		return FalseAccepted, "no complete 2yz came behind the end of the content"
	}
	for _, to := range w.to {
		if p.server.Refused(to) {
			return FalseAccepted, "the server has refused " + to
		}
	}
	return "", ""
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
	case "?":
		return "a command that is none"
	}
	return verb
}
