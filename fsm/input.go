package fsm

import "strconv"

// Class is the first digit of a reply (RFC 5321 §4.2.1), or that no reply came
// because the peer closed the connection instead.
type Class uint8

// The classes.
const (
	Positive     Class = iota // 2yz
	Intermediate              // 3yz
	Transient                 // 4yz
	Permanent                 // 5yz
	Gone                      // the peer closed instead of answering
	numClasses
)

var classNames = [numClasses]string{"2yz", "3yz", "4yz", "5yz", "gone"}

// String returns "2yz" and so on.
func (c Class) String() string {
	if c < numClasses {
		return classNames[c]
	}
	return "class(" + strconv.Itoa(int(c)) + ")"
}

// ClassOf returns the class of a reply code from 200 to 599.
func ClassOf(code int) Class { return Class(code/100 - 2) }

// Input is what moves the machine: a reply to a command, or a signal.
type Input uint8

// The signals: what happens and is no reply.
const (
	Dial      = Input(numCommands)*Input(numClasses) + iota // the caller wants a connection
	Up                                                      // the connection exists
	Secured                                                 // the TLS handshake is done
	Shutdown                                                // the server closes the session: 421 to anything (RFC 5321 §3.8)
	Malformed                                               // what came is no reply, or no reply to this command
	Lost                                                    // the connection is gone
	Expired                                                 // a timer has run out
	Abort                                                   // the caller gives up
	numInputs
)

var signalNames = [...]string{"dial", "up", "secured", "421", "malformed", "lost", "expired", "abort"}

// On returns the input "a reply of class came to c".
func On(c Command, class Class) Input { return Input(c)*Input(numClasses) + Input(class) }

// Signal reports whether i is a signal and no reply.
func (i Input) Signal() bool { return i >= Dial }

// Command returns the command that i answers; it must not be a signal.
func (i Input) Command() Command { return Command(i / Input(numClasses)) }

// Class returns the class of the reply; i must not be a signal.
func (i Input) Class() Class { return Class(i % Input(numClasses)) }

// String returns "MAIL 2yz", or a signal's name.
func (i Input) String() string {
	switch {
	case i >= numInputs:
		return "input(" + strconv.Itoa(int(i)) + ")"
	case i.Signal():
		return signalNames[i-Dial]
	}
	return i.Command().String() + " " + i.Class().String()
}

// MarshalText makes inputs readable in JSON.
func (i Input) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// Inputs returns all inputs in order: replies by command and class, then signals.
func Inputs() []Input {
	all := make([]Input, numInputs)
	for i := range all {
		all[i] = Input(i)
	}
	return all
}
