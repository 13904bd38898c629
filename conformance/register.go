package conformance

import (
	"embed"
	"fmt"
	"strings"
	"sync"
)

// Requirement is one thing a document demands of a client (C-…) or of a server (S-…).
// Its ID never changes and is never given to another.
type Requirement struct {
	ID string // "C-5321-053": side, group, number
	// Level is MUST, MUST NOT, SHOULD, SHOULD NOT or MAY where the document has that
	// word, the same in lower case where it follows from grammar or prose, and
	// "de facto" where there is no standard.
	Level string
	// Layer is what has to obey: reply, session, auth, transport, message or queue in a
	// client, and server.
	Layer   string
	RFC     string // the document: "RFC 5321", or the name of one that is no RFC
	Section string // its section or sections: "4.1.1.4", ""
	Text    string // what is demanded, in words of our own
	Observe string // how it shows from outside
	// Test names the tests, with blanks between, that hold what no transcript can:
	// "transport/policy.TestDANE", the package's folder and the function; "parley.TestX"
	// is in the root. It is empty where transcripts do.
	Test      string
	Exclusion string // why it does not apply to this project, or does not show at a server; empty otherwise
}

// The columns of a file of the register, and of one of odd replies.
const (
	requirementColumns = 9
	oddReplyColumns    = 6
)

//go:embed register/*.tsv register/mutants.diff
var registerFiles embed.FS

// Register returns all requirements: those on clients, then those on servers, each in the
// order of its file. The slice is the caller's.
func Register() []Requirement {
	return append([]Requirement(nil), register().all...)
}

// Lookup returns the requirement with an ID.
func Lookup(id string) (Requirement, bool) {
	r := register()
	i, ok := r.byID[id]
	if !ok {
		return Requirement{}, false
	}
	return r.all[i], true
}

type requirements struct {
	all  []Requirement
	byID map[string]int
}

var register = sync.OnceValue(func() requirements {
	r := requirements{byID: make(map[string]int)}
	for _, file := range []string{"client.tsv", "server.tsv"} {
		for _, c := range rowsOf(file, requirementColumns) {
			r.byID[c[0]] = len(r.all)
			r.all = append(r.all, Requirement{
				ID: c[0], Level: c[1], Layer: c[2], RFC: c[3], Section: c[4],
				Text: c[5], Observe: c[6], Test: c[7], Exclusion: c[8],
			})
		}
	}
	return r
})

// rowsOf reads a file of the register: rows of so many columns with tabs between them,
// and lines that start with # to pass over. The files are part of the program, so a fault
// in one is a panic; a test reads them all.
func rowsOf(file string, columns int) [][]string {
	text, err := registerFiles.ReadFile("register/" + file)
	if err != nil {
		panic(err)
	}
	var rows [][]string
	for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.Split(line, "\t")
		if len(row) != columns {
			panic(fmt.Sprintf("conformance: %s:%d: %d columns, want %d", file, n+1, len(row), columns))
		}
		rows = append(rows, row)
	}
	return rows
}
