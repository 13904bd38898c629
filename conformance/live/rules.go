package live

import (
	"fmt"
	"strings"

	"github.com/parley-mail/parley/conformance"
)

// finding is something that is wrong with a client, or could be better.
type finding struct {
	id        string // of the requirement; "" where none is needed: a crash
	text      string
	want, got string
	soft      bool // it is latitude, whatever the requirement's level
}

// mild are the requirements of the class MUST whose breach is only noted: no RFC has the
// word, and the breach alone loses no mail, tells no secret and gets nobody out of step.
// What becomes of it does not go unseen: the rules of truth hold besides.
var mild = map[string]string{
	"C-5321-006": "RFC 5321 §4.2.1 lets a client look at one line of a reply and trust that the others agree",
	"C-5321-010": "who goes on behind a reply too many is caught where it makes an untrue word of it",
	"C-3207-001": "whoever is told to insist on TLS may as well ask for it; a server that has none says so",
	"C-5321-031": "a server that has taken its leave does not listen",
	"C-5321-077": "a server that has taken its leave does not listen",
	"C-5321-037": "servers that refuse a blank at the end of a line are rare",
	"C-5321-049": "a line beyond 512 octets is refused by those who cannot take it",
	"C-5321-054": "DATA for nobody is refused by the server",
	"C-2920-002": "a server that cannot take it sees it as two groups",
	"C-5321-091": "the client was told how long to wait for a reply, which many take for how long to wait for its next octet; the RFC's own limits are minutes",
	"C-2920-006": "the server throws the content away",
	"C-3207-003": "by its first digit another 2yz is a success",
	"C-4954-019": "whoever sets up a client with a password and without TLS has asked for it",
}

// fails reports whether a breach of the requirement makes a case fail; otherwise it is
// latitude.
func fails(id string) bool {
	if id == "" {
		return true
	}
	r, ok := conformance.Lookup(id)
	_, harmless := mild[id]
	return ok && !harmless && strings.HasPrefix(strings.ToUpper(r.Level), "MUST")
}

// soften makes latitude of what was found last.
func (j *judge) soften() { j.found[len(j.found)-1].soft = true }

// String names the requirement and says what is wrong.
func (f finding) String() string {
	r, ok := conformance.Lookup(f.id)
	if !ok {
		return f.text
	}
	return fmt.Sprintf("%s, %s: %s", r.ID, r.Level, f.text)
}
