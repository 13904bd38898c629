package conformance

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/session"
)

// linkFaults are about authentication, TLS and the way to the server.
var linkFaults = []namedFault{
	// STARTTLS.
	{"starttls-unasked", "says STARTTLS to whom it pleases", fault{reply: func(f *faulty, r []byte) []byte {
		if f.kept == nil {
			return assume("STARTTLS")(f, r)
		}
		return r
	}, secured: func(f *faulty) { f.kept = []byte("TLS") }}},
	{"starttls-with-argument", "says STARTTLS with a name behind it", fault{sent: replace(`(?m)^STARTTLS\r$`, "STARTTLS s.example\r")}},
	{"starttls-wherever-listed", "says STARTTLS whenever it is listed, inside TLS too", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("EHLO") && bytes.Contains(r, []byte("STARTTLS")) {
			f.extra = []byte("STARTTLS\r\n")
		}
		return r
	}}},
	{"talk-before-tls", "says EHLO behind the 220 to STARTTLS, and not a handshake", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("STARTTLS") && firstCode(r) == "220" {
			f.extra = []byte("EHLO client.example\r\n")
		}
		return r
	}}},
	{"clear-behind-failed-tls", "goes on in clear when the handshake has failed", fault{lost: func(f *faulty) []byte {
		if s := f.State(); s == fsm.Handshake || s == fsm.Connecting || s == fsm.Idle {
			f.extra = []byte("EHLO client.example\r\n")
		}
		return nil
	}}},
	{"all-are-verified", "says of every certificate that it was verified", fault{config: func(c *session.Config) {
		if c.Events != nil {
			c.Events = flatterer{c.Events}
		}
	}}},

	{"tls-or-nothing", "gives up where TLS was only wished for", fault{config: func(c *session.Config) {
		if c.StartTLS == session.StartTLSIfOffered {
			c.StartTLS = session.StartTLSOrNothing
		}
	}}},

	// AUTH.
	{"auth-unasked", "says AUTH with whatever mechanism it likes", fault{reply: assume("AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 EXTERNAL")}},
	{"auth-in-transaction", "says AUTH behind MAIL", fault{sent: replace(`^RCPT [^\r]*`, "AUTH PLAIN")}},
	{"auth-again", "says AUTH again when it has had its 235", fault{reply: behindSuccess("AUTH PLAIN\r\n")}},
	{"hello-behind-auth", "says EHLO again when it has had its 235", fault{reply: behindSuccess("EHLO client.example\r\n")}},
	{"auth-behind-rset", "says AUTH again behind RSET", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("RSET") {
			f.extra = []byte("AUTH PLAIN\r\n")
		}
		return r
	}}},
	{"pipeline-behind-auth", "says NOOP behind AUTH in the same write", fault{sent: replace(`^(AUTH [^\r]*\r\n)$`, "${1}NOOP\r\n")}},
	{"long-initial-response", "puts an initial response of any length on the line", fault{sent: replace(`^(AUTH XOAUTH2)\r\n`, "$1 "+strings.Repeat("eHh4", 200)+"\r\n")}},
	{"first-word-to-all", "gives an initial response to mechanisms in which the server speaks first", fault{sent: replace(`^(AUTH (?:CRAM-MD5|DIGEST-MD5|LOGIN))\r\n`, "$1 =\r\n")}},
	{"careless-base64", "reads base64 as far as it goes", fault{reply: challenges(func(_ *faulty, text, decoded []byte) []byte {
		if decoded == nil && len(text) > 0 {
			return []byte("334 QQ==\r\n")
		}
		return nil
	})}},
	{"blank-is-needed", "does not know a 334 without a blank", fault{reply: replace(`^334\r\n`, "501 what\r\n")}},
	{"cancel-and-go", "does not wait for what answers the cancellation", fault{sent: replace(`^\*\r\n`, "*\r\nQUIT\r\n")}},
	{"short-challenges", "reads challenges of at most 1000 octets", fault{reply: challenges(func(_ *faulty, text, _ []byte) []byte {
		if len(text) > 1000 {
			return []byte("501 too long\r\n")
		}
		return nil
	})}},
	{"no-server-proof", "sends mail to whom says 235 and has proved nothing", fault{reply: func(f *faulty, r []byte) []byte {
		switch {
		case firstCode(r) == "334" && bytes.Contains(r, []byte("dj")):
			f.kept = r
		case firstCode(r) == "235" && f.State() == fsm.Authenticating && f.kept == nil:
			f.extra = []byte("MAIL FROM:<a@c.example>\r\n")
		}
		return r
	}}},
	{"another-in-clear", "tries another mechanism in clear where encryption is wanted", fault{reply: recodeIf("538", "504")}},
	{"weak-is-wrong", "takes a mechanism that is too weak for a password that is wrong", fault{reply: recodeIf("534", "535")}},
	{"later-is-never", "takes a server that cannot look a password up now for one that refuses it", fault{reply: recodeIf("454", "554")}},
	{"auth-is-auth", "does not know AUTH= for AUTH", fault{reply: func(f *faulty, r []byte) []byte {
		return ehloLines(f, r, func(_ int, line []byte) []byte {
			if bytes.HasPrefix(line, []byte("250-AUTH=")) {
				return []byte("250-X")
			}
			return line
		})
	}}},
	{"mail-auth-unasked", "says AUTH= with MAIL to whom it pleases", fault{reply: assume("AUTH X")}},
	{"raw-mail-auth", "does not encode what stands in AUTH=", fault{sent: replace(`\+3D`, "=")}},
	{"unmasked", "tells in a notice what it says to authenticate", fault{config: func(c *session.Config) {
		if c.Events != nil {
			c.Events = gossip{c.Events}
		}
	}}},

	// Mechanisms.
	{"plain-of-two", "leaves the first NUL of PLAIN out", fault{sent: responses(func(f *faulty, m []byte) []byte {
		if f.answers("AUTH PLAIN") || bytes.Count(m, []byte{0}) == 2 {
			return bytes.TrimPrefix(m, []byte{0})
		}
		return m
	})}},
	{"short-credentials", "cuts credentials at 200 octets", fault{sent: responses(func(_ *faulty, m []byte) []byte { return m[:min(200, len(m))] })}},
	{"digest-in-capitals", "writes digests in upper case", fault{sent: responses(func(_ *faulty, m []byte) []byte {
		return regexp.MustCompile(`[0-9a-f]{32}`).ReplaceAllFunc(m, bytes.ToUpper)
	})}},
	{"prompts-are-read", "expects to be asked for the name first, in so many words", fault{reply: func(f *faulty, r []byte) []byte {
		if f.answers("AUTH LOGIN") && firstCode(r) == "334" && !bytes.HasPrefix(r, []byte("334 VXNlcm5hbWU6")) {
			return []byte("501 what\r\n")
		}
		return r
	}}},
	{"raw-scram-name", "does not escape names in SCRAM", fault{sent: responses(func(_ *faulty, m []byte) []byte {
		return bytes.ReplaceAll(bytes.ReplaceAll(m, []byte("=2C"), []byte(",")), []byte("=3D"), []byte("="))
	})}},
	{"nonce-of-no-length", "sends no nonce in SCRAM", fault{sent: responses(func(_ *faulty, m []byte) []byte {
		return regexp.MustCompile(`(,n=[^,]*,r=).*`).ReplaceAll(m, []byte("$1"))
	})}},
	{"could-not-bind", "says that it cannot bind to the channel although it can", fault{sent: responses(func(_ *faulty, m []byte) []byte {
		return regexp.MustCompile(`^y,`).ReplaceAll(m, []byte("n,"))
	})}},
	{"unbound-plus", "names -PLUS on a link that cannot bind", fault{sent: replace(`^AUTH (SCRAM-SHA-256) `, "AUTH $1-PLUS ")}},
	{"never-binds", "does not bind to the channel", fault{policy: func(p *auth.Policy) { p.NoBinding = true }}},
	{"binds-to-nothing", "says the same of the channel always", fault{sent: responses(func(_ *faulty, m []byte) []byte {
		return regexp.MustCompile(`^c=[^,]*`).ReplaceAll(m, []byte("c=biws"))
	})}},
	{"no-new-attributes", "refuses attributes in SCRAM that it does not know", fault{reply: challenges(func(_ *faulty, _, decoded []byte) []byte {
		if bytes.Contains(decoded, []byte(",x=")) {
			return []byte("501 what\r\n")
		}
		return nil
	})}},
	{"bearer-without-end", "leaves out the last octet of OAUTHBEARER and XOAUTH2", fault{sent: responses(func(_ *faulty, m []byte) []byte {
		return bytes.TrimSuffix(m, []byte{1})
	})}},
	{"refusal-unanswered", "does not answer the challenge that says why a token is refused", fault{sent: replace(`^(?:AQ==)?\r\n`, "QUIT\r\n")}},
	{"no-new-directives", "refuses directives in DIGEST-MD5 that it does not know", fault{reply: challenges(func(_ *faulty, _, decoded []byte) []byte {
		if bytes.Contains(decoded, []byte("novel=")) {
			return []byte("501 what\r\n")
		}
		return nil
	})}},
	{"never-prepared", "sends names as they are", fault{policy: func(p *auth.Policy) { p.Raw = true }}},
	{"retired-unasked", "uses retired mechanisms where nothing else is offered", fault{policy: func(p *auth.Policy) { p.Legacy = true }}},
	{"anonymous-unasked", "is anonymous where that is offered", fault{policy: func(p *auth.Policy) {
		if !slices.Contains(p.Mechanisms, "ANONYMOUS") {
			p.Mechanisms = append(p.Mechanisms, "ANONYMOUS", "PLAIN")
		}
	}}},
	{"external-for-nobody", "does not say as whom it wants to act by EXTERNAL", fault{sent: replace(`^AUTH EXTERNAL [^\r]*`, "AUTH EXTERNAL")}},
}

// behindSuccess has the client say something when it has had its 235.
func behindSuccess(line string) func(*faulty, []byte) []byte {
	return func(f *faulty, r []byte) []byte {
		if firstCode(r) == "235" {
			f.extra = []byte(line)
		}
		return r
	}
}

// challenges puts another reply in the place of a challenge; decoded is nil if it is no
// base64.
func challenges(instead func(f *faulty, text, decoded []byte) []byte) func(*faulty, []byte) []byte {
	return func(f *faulty, r []byte) []byte {
		if firstCode(r) != "334" {
			return r
		}
		text := bytes.TrimSpace(r[3:])
		decoded, err := base64.StdEncoding.Strict().AppendDecode([]byte{}, text)
		if err != nil {
			decoded = nil
		}
		if other := instead(f, text, decoded); other != nil {
			return other
		}
		return r
	}
}

// responses alters what the client says inside base64, on the AUTH line or behind it.
func responses(alter func(*faulty, []byte) []byte) func(*faulty, []byte) []byte {
	line := regexp.MustCompile(`^(AUTH \S+ )?([A-Za-z0-9+/]+=*)\r\n$`)
	return func(f *faulty, p []byte) []byte {
		m := line.FindSubmatch(p)
		if m == nil {
			return p
		}
		decoded, err := base64.StdEncoding.AppendDecode(nil, m[2])
		if err != nil {
			return p
		}
		return append(base64.StdEncoding.AppendEncode(bytes.Clone(m[1]), alter(f, decoded)), "\r\n"...)
	}
}

// flatterer says that every certificate was verified.
type flatterer struct{ session.Sink }

// Publish alters what is said of TLS.
func (s flatterer) Publish(e events.Event) {
	if t, ok := e.(*events.Secured); ok {
		t.Verified = true
	}
	s.Sink.Publish(e)
}

// gossip tells a secret in a notice.
type gossip struct{ session.Sink }

// Publish adds the notice.
func (s gossip) Publish(e events.Event) {
	if c, ok := e.(*events.CommandSent); ok && bytes.Contains(c.Line, []byte("[masked]")) {
		s.Sink.Publish(&events.Notice{Meta: c.Meta, Detail: "the password is c2VjcmV0"})
	}
	s.Sink.Publish(e)
}
