package fuzz

import (
	"bytes"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed testdata/families.txt
var familiesText string

// Seed is one seed of a named family: octets with which clients have been led astray.
type Seed struct {
	Family string   // S-TLS, S-LEN and so on
	Rows   []string // the requirements at stake, as in package conformance
	What   string   // server, content or argument
	Turns  [][]byte // the octets; of a server what it says before each of the client's turns
}

// Families returns the seeds, in the order of the file.
func Families() ([]Seed, error) {
	var all []Seed
	for n, line := range strings.Split(familiesText, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		seed, err := parseSeed(line)
		if err != nil {
			return nil, fmt.Errorf("families.txt, line %d: %w", n+1, err)
		}
		all = append(all, seed)
	}
	return all, nil
}

// octetsAt is the column at which the octets begin: they may begin with a blank.
const octetsAt = 40

func parseSeed(line string) (Seed, error) {
	words := strings.Fields(line)
	if len(words) < 3 || len(line) <= octetsAt {
		return Seed{}, fmt.Errorf("family, rows, kind and octets are wanted: %q", line)
	}
	s := Seed{Family: words[0], Rows: strings.Split(words[1], ","), What: words[2]}
	for part := range strings.SplitSeq(line[octetsAt:], "|") {
		text, err := fill(part)
		if err != nil {
			return Seed{}, err
		}
		s.Turns = append(s.Turns, text)
	}
	return s, nil
}

// fill undoes the escapes and writes out {n} as n letters and {n*text} as n times the text.
func fill(s string) ([]byte, error) {
	quoted := strings.NewReplacer(`"`, `\"`, `\0`, `\x00`).Replace(s)
	text, err := strconv.Unquote(`"` + quoted + `"`)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	for {
		before, rest, ok := strings.Cut(text, "{")
		if !ok {
			return []byte(text), nil
		}
		inner, after, ok := strings.Cut(rest, "}")
		if !ok {
			return nil, fmt.Errorf("%q: no } behind {", s)
		}
		count, what, repeated := strings.Cut(inner, "*")
		if !repeated {
			what = "x"
		}
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > 1<<20 {
			return nil, fmt.Errorf("%q: no number: %q", s, count)
		}
		text = before + string(bytes.Repeat([]byte(what), n)) + after
	}
}
