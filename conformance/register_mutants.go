package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// SourceMutant is a fault in this project's source that the tests of requirements
// ([Requirement.Tests]) find: what a mutant engine is to a transcript. That it is found
// shows that a test tempts the client to do otherwise than is demanded.
type SourceMutant struct {
	IDs      []string // the requirements, a test of each of which fails with it
	About    string   // what is wrong with it
	File     string   // "auth/scram.go"
	Old, New string   // Old is in the file once
}

// SourceMutants returns all faults in the source, in the order of their file. The slice is
// the caller's.
func SourceMutants() []SourceMutant { return slices.Clone(sourceMutants()) }

var sourceMutants = sync.OnceValue(func() []SourceMutant {
	text, err := registerFiles.ReadFile("register/mutants.diff")
	if err != nil {
		panic(err)
	}
	all, err := parseSourceMutants(string(text))
	if err != nil {
		panic(err)
	}
	return all
})

// parseSourceMutants reads entries with blank lines between them: "C-SASL-008 C-SASL-010:
// what is wrong", the file, then the lines that are taken away (-) and put there (+).
// Lines that start with # are passed over.
func parseSourceMutants(text string) (all []SourceMutant, err error) {
	var m *SourceMutant
	for i, line := range strings.Split(text, "\n") {
		mark, rest := line[:min(1, len(line))], line[min(1, len(line)):]
		switch {
		case mark == "#":
		case line == "":
			m = nil
		case m == nil:
			ids, about, ok := strings.Cut(line, ": ")
			if !ok {
				return nil, fmt.Errorf("conformance: source mutants: line %d is no head: %q", i+1, line)
			}
			all = append(all, SourceMutant{IDs: strings.Fields(ids), About: about})
			m = &all[len(all)-1]
		case m.File == "":
			m.File = line
		case mark == "-":
			m.Old += rest + "\n"
		case mark == "+":
			m.New += rest + "\n"
		default:
			return nil, fmt.Errorf("conformance: source mutants: line %d: %q", i+1, line)
		}
	}
	return all, nil
}

// Apply returns the source with the fault. It is an error if what the fault replaces is
// not there exactly once.
func (m SourceMutant) Apply(source string) (string, error) {
	if m.Old == "" || m.Old == m.New {
		return "", errors.New("nothing is replaced")
	}
	before, after, ok := strings.Cut("\n"+source, "\n"+m.Old)
	if !ok || strings.Contains("\n"+after, "\n"+m.Old) {
		return "", fmt.Errorf("not once in %s: %q", m.File, m.Old)
	}
	return (before + "\n" + m.New + after)[1:], nil
}

// Tests returns the tests that hold a requirement; see [Requirement.Test].
func (r Requirement) Tests() []string { return strings.Fields(r.Test) }

// caught reports whether a test that holds the requirement finds a fault in the source.
func (r Requirement) caught() bool {
	return r.Test != "" && slices.ContainsFunc(sourceMutants(), func(m SourceMutant) bool { return slices.Contains(m.IDs, r.ID) })
}
