package conformance

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// answer has the server say something.
func (w *walk) answer(p *play) {
	if w.percent(w.bold) {
		w.unlawful(p)
		return
	}
	w.say(p, w.reply(&p.mon)+"\r\n")
	p.pump()
	p.rec.turn()
}

// say delivers octets, at times in two pieces.
func (w *walk) say(p *play, s string) {
	if w.percent(10) {
		n := w.rng.IntN(len(s))
		p.deliver([]byte(s[:n]))
		s = s[n:]
	}
	p.deliver([]byte(s))
}

// unlawful has the server do what it must not, or what nobody hopes for.
func (w *walk) unlawful(p *play) {
	ways := 9
	if w.wild {
		ways = 16
	}
	way := w.rng.IntN(ways)
	switch way {
	case wayAccident:
		w.accident(p)
		return
	case wayStall: // the client cannot get rid of its answer
		p.stall([]byte(w.reply(&p.mon) + "\r\n"))
		return
	case wayOversize:
		if !wantsTLS(p) {
			p.trace.cell(ClassOversize)
		}
	}
	octets, cut := w.misanswer(&p.mon, way)
	p.deliver(octets)
	if cut {
		p.lost(io.EOF)
	}
	p.pump()
}

// The ways to go wrong that are not only octets. From numWays on a reply is malformed.
const (
	wayAccident = 0
	wayOversize = 6
	wayStall    = 8
	numWays     = 9
)

// misanswer is a wrong answer to the command that waits longest. The connection may be
// cut behind it.
func (w *walk) misanswer(m *monitor, way int) (octets []byte, cut bool) {
	switch way {
	case 1:
		return []byte("421 4.3.2 closing\r\n"), false
	case 2:
		return []byte(w.one("what?", "25", "250_ok", "600 no", "\x16\x03\x01") + "\r\n"), false
	case 3: // the connection ends within a reply
		return []byte(w.one("250-half\r\n", "250 ok", "2")), true
	case 4: // a class that the command cannot get, or an odd code
		return []byte(w.one("250", "354", "334", "220", "299", "399", "499", "599") + " odd\r\n"), false
	case 5:
		return []byte("221 bye\r\n"), false
	case wayOversize:
		return []byte("250 " + strings.Repeat("x", 9000) + "\r\n"), false
	case 7: // one reply more than is owed, before the client has its turn
		return []byte(w.reply(m) + "\r\n" + w.one("250 once more", "550 no", "421 closing", "221 bye", "354 go") + "\r\n"), false
	}
	return w.malformed(w.reply(m) + "\r\n"), false
}

// malformed changes a reply in some octets.
func (w *walk) malformed(reply string) []byte {
	r := []byte(reply)
	for range 1 + w.rng.IntN(4) {
		i := w.rng.IntN(len(r))
		switch w.rng.IntN(5) {
		case 0:
			r[i] = byte(w.rng.IntN(256))
		case 1:
			r = slices.Insert(r, i, []byte(w.one("\r", "\n", "\x00", "-", " ", "\t", "\r\n", "0", "250-", "\xff"))...)
		case 2:
			r = slices.Delete(r, i, i+1)
		case 3: // once more
			r = slices.Insert(r, i, bytes.Clone(r[i:])...)
		case 4:
			r = append(r[:i], w.one("\r\n", "\n", "\r")...)
		}
		if len(r) == 0 {
			return []byte("\r\n")
		}
	}
	return r
}

// accident is what happens to a connection.
func (w *walk) accident(p *play) {
	switch w.rng.IntN(4) {
	case 0:
		p.lost(io.EOF)
	case 1:
		p.lost(errReset)
	case 2:
		p.now = max(p.now, p.deadline)
		p.expire()
	case 3:
		p.abort()
	}
}

// tarries reports whether the source of the content has nothing to give just now.
func (w *walk) tarries(p *play) bool { return w.slow && len(p.mon.pending) > 0 && w.percent(50) }

// interrupts reports whether something happens while content is being sent.
func (w *walk) interrupts(p *play) bool {
	if w.wild || p.stalled || !w.percent(w.bold) { // a transcript cannot say so
		return false
	}
	w.unlawful(p)
	return true
}

// reply is a lawful reply to the command that waits longest.
func (w *walk) reply(m *monitor) string {
	if !m.greeted {
		if w.percent(w.good + 5) {
			return w.one("220 s.example", "220 s.example", "220-s.example\r\n220 hello")
		}
		return w.one("220 s.example", "554 5.7.1 no", "450 later")
	}
	if len(m.pending) == 0 {
		return w.one("421 4.3.2 closing", "250 nobody asked", "550 nobody asked")
	}
	head := m.pending[0]
	if head.verb == "*" {
		return w.one("501 5.5.2 cancelled", "535 5.7.8 no", "454 4.7.0 later")
	}
	if !w.percent(w.good) {
		if bad := w.refusal(head.verb); bad != "" {
			return bad
		}
	}
	switch head.verb {
	case "EHLO", "LHLO":
		return w.offer()
	case "STARTTLS":
		return "220 go"
	case "AUTH", "334":
		return w.one("235 2.7.0 welcome", "334 VXNlcm5hbWU6", "334 ***", "334 ")
	case "DATA":
		if head.tx != nil && head.tx.accepted() == 0 && w.percent(60) {
			return w.one("503 5.5.1 nobody", "451 4.5.1 nobody")
		}
		return "354 go"
	case "RCPT":
		return w.one("250 ok", "250 2.1.5 ok", "251 will forward", "252 will try")
	case "VRFY":
		return w.one("250 ok", "252 will try")
	case "QUIT":
		return w.one("221 bye", "221 bye", "221-2.0.0 bye\r\n221 bye", "354 odd")
	case "BDAT":
		if head.tx != nil && (head.tx.mail >= 400 || head.tx.accepted() == 0) && w.percent(50) {
			return w.one("503 5.5.1 nobody", "450 4.5.1 nobody")
		}
	}
	return w.one("250 ok", "250 ok", "250-2.0.0 ok\r\n250 2.0.0 indeed")
}

// refusal is a lawful bad answer to a command; "": there is none.
func (w *walk) refusal(verb string) string {
	switch verb {
	case "RSET": // cannot be refused, and is at times
		if w.percent(80) {
			return ""
		}
		w.rsetRefused = true
	case "EHLO", "LHLO":
		if w.percent(50) {
			return ""
		}
		return w.one("500 what", "502 what", "450 not now", "554 no")
	case "AUTH", "334":
		return w.one("535 5.7.8 no", "454 4.7.0 later", "504 5.5.4 not that one", "501 5.5.2 cancelled")
	case "QUIT":
		return w.one("500 what", "450 no")
	}
	return w.one("450 4.0.0 not now", "451 4.3.0 not now", "550 5.1.1 no", "503 5.5.1 bad sequence", "500 5.5.1 what")
}

// offer is a good answer to EHLO.
func (w *walk) offer() string {
	lines := []string{"250-s.example"}
	keywords := []string{"PIPELINING", "CHUNKING", "STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", "SIZE 1000000", "8BITMIME"}
	for _, k := range keywords {
		if w.percent(75) {
			lines = append(lines, "250-"+k)
		}
	}
	if w.percent(30) {
		for _, k := range []string{"SMTPUTF8", "DSN", "BINARYMIME", "DELIVERBY", "FUTURERELEASE 10000 2027-01-01T00:00:00Z", "MT-PRIORITY", "REQUIRETLS", "LIMITS MAILMAX=2", "LIMITS RCPTMAX=2"} {
			if w.percent(60) {
				lines = append(lines, "250-"+k)
			}
		}
	}
	return strings.Join(append(lines, "250 HELP"), "\r\n")
}
