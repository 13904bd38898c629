package conformance

import "path"

// equivalents are the mutants that behave like the engine, by pattern of their names: no
// case can tell them, and none need to. A mutant that lives and is not here is a hole in
// the suite.
var equivalents = []struct{ pattern, reason string }{
	{"drop:QUIT@*", "what the table does not know as an answer to QUIT is taken for the end of the connection, which ends the session in the same state"},
	{"deaf:421@connecting", "nothing can be said before there is a connection"},
	{"deaf:malformed@connecting", "nothing can be said before there is a connection"},
	{"deaf:421@handshake", "what comes in clear where a handshake is due is not read"},
	{"deaf:malformed@refused", "QUIT is on its way, and whatever comes answers it"},
	{"deaf:lost@refused", "QUIT is on its way, and the end of the connection answers it"},
	{"deaf:expired@refused", "QUIT is on its way, and silence answers it"},
	{"unsent:CONNECT@greeting", "it is not sent: the connection is the command"},
	{"unsent:STARTTLS@ready", "nothing is in flight when it is sent, and the table is asked about what follows something else"},
	{"unsent:AUTH@ready", "nothing is in flight when it is sent, and the table is asked about what follows something else"},
	{"unsent:AUTH-RESPONSE@auth", "it is the answer to a challenge, at once: nobody asks whether it may be sent"},
	{"unsent:AUTH-CANCEL@auth", "it is the answer to a challenge, at once: nobody asks whether it may be sent"},
	{"unsent:END-OF-DATA@content", "it is the end of what is being sent: nobody asks whether it may be sent"},
	{"unsent:END-OF-DATA+@content", "it is not sent: it is one of several replies"},
	{"unsent:BDAT-LAST+@*", "it is not sent: it is one of several replies"},
}

// Equivalent returns why the mutant of that name is no fault.
func Equivalent(name string) (reason string, ok bool) {
	for _, e := range equivalents {
		if ok, _ := path.Match(e.pattern, name); ok {
			return e.reason, true
		}
	}
	return "", false
}

// Equivalents returns the reasons.
func Equivalents() (all []string) {
	for _, e := range equivalents {
		all = append(all, e.reason)
	}
	return all
}
