package conformance

import "github.com/parley-mail/parley/fsm"

// sequel is an answer right behind another one, as the client sees them.
type sequel struct {
	x, y    fsm.Command // what they answer
	class   fsm.Class   // of the first
	from    fsm.State   // in which the first came
	in      fsm.State   // in which the second came
	refused bool        // the first is 4yz or 5yz
	moot    bool        // the second answers what may not be sent in that state
}

// pairExclusions say why one answer cannot come right behind another one in a dialogue of
// a client of this kind. The table allows more, since it does not know in which order the
// client sends, nor what may have been in flight.
var pairExclusions = []exclusion{
	cannot("STARTTLS comes right behind EHLO", func(t sequel) bool {
		return t.y == fsm.StartTLS && !isHello(t.x)
	}),
	cannot("AUTH comes behind EHLO, a refused STARTTLS, or an AUTH that was about the mechanism", func(t sequel) bool {
		return t.y == fsm.Auth && !isHello(t.x) && !(t.refused && (t.x == fsm.StartTLS || isAuth(t)))
	}),
	cannot("a client whose AUTH was refused leaves, or tries another mechanism", func(t sequel) bool {
		again := t.y == fsm.Auth && (t.class == fsm.Permanent || t.x == fsm.AuthCancel)
		return isAuth(t) && t.refused && t.y != fsm.Quit && !again
	}),
	cannot("the replies to the last chunk come one behind the other, and end the transaction", func(t sequel) bool {
		return t.x == fsm.BdatLastPart && t.y != fsm.BdatLastPart && t.y != fsm.BdatLast
	}),
	cannot("several replies to the last chunk need several recipients", func(t sequel) bool {
		none := t.in == fsm.Spoiled && (t.from == fsm.Ready || t.from == fsm.Sender)
		one := t.in == fsm.Recipients && t.from == fsm.Sender
		return t.y == fsm.BdatLastPart && (none || one)
	}),
	cannot("a client whose DATA was refused resets or leaves", func(t sequel) bool {
		return t.x == fsm.Data && t.refused && t.from == fsm.Recipients && t.y != fsm.Rset && t.y != fsm.Quit
	}),
	cannot("RCPT comes behind MAIL or RCPT", func(t sequel) bool {
		return t.y == fsm.Rcpt && !t.moot && t.x != fsm.Rcpt && !t.x.OpensTransaction()
	}),
	cannot("RSET and QUIT inside an envelope come behind a refusal", func(t sequel) bool {
		return betweenMailAndContent(t) && (t.y == fsm.Rset || t.y == fsm.Quit) && t.x != fsm.Rcpt && t.x != fsm.Data
	}),
	cannot("content comes behind RCPT", func(t sequel) bool {
		begins := t.y == fsm.Data || t.y == fsm.Bdat || t.y == fsm.BdatLast || t.y == fsm.BdatLastPart
		return betweenMailAndContent(t) && !t.moot && begins && t.x != fsm.Rcpt && t.x != fsm.BdatLastPart
	}),
	cannot("a moot RCPT comes behind the MAIL that was refused, or another one", func(t sequel) bool {
		return t.moot && t.y == fsm.Rcpt && !(t.x.OpensTransaction() && t.refused || t.x == fsm.Rcpt && t.from == fsm.Ready)
	}),
	cannot("a moot DATA comes behind the RCPT that was the last one, and of no use", func(t sequel) bool {
		return t.moot && t.y == fsm.Data && !uselessRcpt(t)
	}),
	cannot("a moot chunk comes behind the RCPT that was the last one, and of no use, or behind another one", func(t sequel) bool {
		chunk := t.y == fsm.Bdat || t.y == fsm.BdatLast
		another := t.x == fsm.Bdat && t.from == fsm.Ready && t.refused
		return t.moot && chunk && t.in != fsm.Spoiled && !uselessRcpt(t) && !another
	}),
	cannot("what is answered behind a spoiled transaction was sent behind the chunk that spoiled it", func(t sequel) bool {
		return t.moot && t.in == fsm.Spoiled && t.x != fsm.Bdat && t.x != fsm.BdatLastPart
	}),
}

// cannot makes an exclusion of sequels.
func cannot(reason string, not func(sequel) bool) exclusion {
	return exclusion{reason: reason, pair: func(a, b edge) bool {
		if !ordinary(a) || !ordinary(b) || a.by.Signal() || b.by.Signal() {
			return false
		}
		t := sequel{x: a.by.Command(), y: b.by.Command(), class: a.by.Class(), from: a.from, in: b.from}
		t.refused = t.class == fsm.Transient || t.class == fsm.Permanent
		t.moot = !fsm.May(b.from, t.y)
		return not(t)
	}}
}

func isHello(c fsm.Command) bool { return c == fsm.Ehlo || c == fsm.Lhlo }

func isAuth(t sequel) bool {
	return t.x == fsm.Auth || t.x == fsm.AuthResponse || t.x == fsm.AuthCancel
}

// betweenMailAndContent reports whether the second answer comes between MAIL and the content.
func betweenMailAndContent(t sequel) bool { return t.in == fsm.Sender || t.in == fsm.Recipients }

// uselessRcpt reports whether the first answer is one to a RCPT by which nobody is added.
func uselessRcpt(t sequel) bool {
	return t.x == fsm.Rcpt && (t.from == fsm.Ready || t.in == fsm.Sender && t.refused)
}
