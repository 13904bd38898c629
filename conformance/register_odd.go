package conformance

import (
	"slices"
	"sync"
)

// OddReply is something servers and middleboxes have been seen to say, or may be expected
// to, that a client has to get along with.
type OddReply struct {
	ID    string // "O-G03": the phase and a number, never given to another
	Name  string
	Bytes string // what is on the wire, escaped as in Go; … leaves out what does not matter
	Must  string // what a robust client does
	// Test is the test that holds what no transcript can, as in [Requirement].
	Test      string
	Exclusion string // why it cannot happen to this project; empty where it can
}

// OddReplies returns all odd replies, phase by phase. The slice is the caller's.
func OddReplies() []OddReply { return slices.Clone(oddReplies()) }

var oddReplies = sync.OnceValue(func() []OddReply {
	var all []OddReply
	for _, c := range rowsOf("odd.tsv", oddReplyColumns) {
		all = append(all, OddReply{ID: c[0], Name: c[1], Bytes: c[2], Must: c[3], Test: c[4], Exclusion: c[5]})
	}
	return all
})
