package conformance

import "github.com/parley-mail/parley/fsm"

// follows reports whether a client of this kind, in a lawful dialogue, can have the answer
// b right behind the answer a. The table alone allows more: it does not know that a
// transaction's commands come in order, that AUTH and STARTTLS are over when mail begins,
// and what may have been in flight.
func follows(a, b edge) bool {
	if a.by == fsm.Secured || b.by == fsm.Secured {
		return true
	}
	x, y := a.by.Command(), b.by.Command()
	refused := a.by.Class() == fsm.Transient || a.by.Class() == fsm.Permanent
	if !fsm.May(b.from, y) && y != fsm.Connect {
		return mootFollows(x, refused, a.from, b.from, y)
	}
	switch x { // what can only be followed by few
	case fsm.EndOfDataPart:
		return y == fsm.EndOfDataPart || y == fsm.EndOfData
	case fsm.BdatLastPart:
		return y == fsm.BdatLastPart || y == fsm.BdatLast
	case fsm.Auth, fsm.AuthResponse, fsm.AuthCancel:
		if refused {
			again := a.by.Class() == fsm.Permanent || x == fsm.AuthCancel
			return y == fsm.Quit || y == fsm.Auth && again
		}
	case fsm.Data:
		if refused && a.from == fsm.Recipients {
			return y == fsm.Rset || y == fsm.Quit
		}
	case fsm.Bdat:
		if b.from == fsm.Chunks && y == fsm.BdatLastPart {
			return true
		}
	}
	switch b.from {
	case fsm.Ready:
		return readyFollows(x, refused, y)
	case fsm.Sender, fsm.Recipients:
		switch y {
		case fsm.Rcpt:
			return x == fsm.Rcpt || x.OpensTransaction()
		case fsm.Rset, fsm.Quit:
			return x == fsm.Rcpt || x == fsm.Data
		case fsm.BdatLastPart: // it takes two recipients
			return x == fsm.Rcpt && a.from == fsm.Recipients
		}
		return x == fsm.Rcpt
	}
	return true
}

// readyFollows is about what comes between transactions.
func readyFollows(x fsm.Command, refused bool, y fsm.Command) bool {
	switch y {
	case fsm.StartTLS:
		return x == fsm.Ehlo || x == fsm.Lhlo
	case fsm.Auth:
		return x == fsm.Ehlo || x == fsm.Lhlo || x == fsm.StartTLS && refused
	}
	return true
}

// mootFollows is about answers to what was sent before it was known to be moot.
func mootFollows(x fsm.Command, refused bool, from, in fsm.State, y fsm.Command) bool {
	switch in {
	case fsm.Ready:
		switch y {
		case fsm.Rcpt:
			return x.OpensTransaction() && refused || x == fsm.Rcpt && from == fsm.Ready
		case fsm.Data:
			return x == fsm.Rcpt && from == fsm.Ready
		}
		return x == fsm.Rcpt && from == fsm.Ready || x == fsm.Bdat && from == fsm.Ready && refused
	case fsm.Sender:
		return x == fsm.Rcpt && refused
	case fsm.Spoiled:
		switch {
		case x == fsm.BdatLastPart:
			return y != fsm.Bdat
		case from == fsm.Ready || from == fsm.Sender: // there are no recipients
			return x == fsm.Bdat && y != fsm.BdatLastPart
		}
		return x == fsm.Bdat
	}
	return x == fsm.Rcpt || x == fsm.Bdat || x == fsm.BdatLastPart || x == fsm.Data || x == fsm.EndOfDataPart
}
