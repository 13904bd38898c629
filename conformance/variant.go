package conformance

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Variant is one way of playing a case.
type Variant struct {
	Profile Profile
	Looplab bool // on looplab/fsm instead of the compiled table
	Way     Way
	N       int   // Split: where; Cut: after how many octets; Replace: which line of the server, from 0
	With    Spoil // Replace: by what
}

// Way is what is done to the server's octets.
type Way uint8

// The ways.
const (
	Whole   Way = iota // as they are written
	Octets             // one by one
	Split              // every turn cut in two at N
	Cut                // the connection breaks after N octets of the whole dialogue
	Replace            // line N is replaced
	PerLine            // every line for itself
)

// Spoil is what a line of the server is replaced by.
type Spoil uint8

// The replacements.
const (
	Closing   Spoil = iota // 421
	Garbage                // what is no reply
	Silence                // nothing, until patience has run out
	Cancel                 // nothing, and the caller gives up
	SaysYes                // 250
	SaysGoOn               // 340: a 3yz that no command knows
	SaysLater              // 450
	SaysNo                 // 550
	Oversize               // a line longer than any limit
	Broken                 // nothing: the connection is reset
	Stalled                // the line, and what the client says to it is not taken
	numSpoils
)

var (
	wayNames   = [...]string{"whole", "octets", "split", "cut", "replace", "lines"}
	spoilNames = [numSpoils]string{"421", "garbage", "silence", "cancel", "250", "340", "450", "550", "oversize", "rst", "stall"}
)

// spoiled are the octets of the replacements.
var spoiled = [numSpoils][]byte{
	Closing: []byte("421 4.3.2 closing\r\n"), Garbage: []byte("\x16\x03\x01\x00 not a reply\r\n"),
	SaysYes: []byte("250 ok\r\n"), SaysGoOn: []byte("340 go on\r\n"), SaysLater: []byte("450 4.0.0 not now\r\n"), SaysNo: []byte("550 5.0.0 no\r\n"),
	Oversize: append(bytes.Repeat([]byte("250 x"), 2000), "\r\n"...),
}

// Sound reports whether what happens is still what the transcript says, so that its
// expectations hold.
func (v Variant) Sound() bool { return v.Way != Cut && v.Way != Replace }

// String writes the variant in one word, as ParseVariant reads it.
func (v Variant) String() string {
	machine := "compiled"
	if v.Looplab {
		machine = "looplab"
	}
	s := v.Profile.String() + ":" + machine + ":" + wayNames[v.Way]
	switch v.Way {
	case Split, Cut:
		s += ":" + strconv.Itoa(v.N)
	case Replace:
		s += ":" + strconv.Itoa(v.N) + ":" + spoilNames[v.With]
	}
	return s
}

// ParseVariant reads what String writes.
func ParseVariant(s string) (Variant, error) {
	var v Variant
	bad := fmt.Errorf("%q is no variant, as in lenient:compiled:whole or strict:looplab:split:7", s)
	f := strings.Split(s, ":")
	if len(f) < 3 || f[0] != "lenient" && f[0] != "strict" || f[1] != "compiled" && f[1] != "looplab" {
		return v, bad
	}
	if f[0] == "strict" {
		v.Profile = Strict
	}
	v.Looplab = f[1] == "looplab"
	way := indexOf(wayNames[:], f[2])
	if way < 0 {
		return v, bad
	}
	v.Way = Way(way)
	if v.Way == Split || v.Way == Cut || v.Way == Replace {
		if len(f) < 4 {
			return v, bad
		}
		n, err := strconv.Atoi(f[3])
		if err != nil {
			return v, bad
		}
		v.N = n
	}
	if v.Way == Replace {
		if len(f) != 5 || indexOf(spoilNames[:], f[4]) < 0 {
			return v, bad
		}
		v.With = Spoil(indexOf(spoilNames[:], f[4]))
	}
	return v, nil
}

func indexOf(names []string, s string) int {
	for i, name := range names {
		if name == s {
			return i
		}
	}
	return -1
}
