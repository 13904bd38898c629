package server

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance"
)

// alternative is one thing that a server may answer, and what that means.
type alternative struct {
	verdict conformance.Verdict
	done    bool     // a pass, and nothing more is to be seen
	codes   []string // "250", "2yz", "any", "closed"
	same    string   // the code kept under this name
	status  string   // the enhanced code, "": any or none
	text    *regexp.Regexp
	decoded bool // text is matched with what the base64 behind the code stands for
}

// verdictWords are those an alternative can begin with; without one it is a pass.
var verdictWords = map[string]conformance.Verdict{
	"latitude": conformance.Latitude, "inconclusive": conformance.Inconclusive, "fail": conformance.Fail,
}

var codeWord = regexp.MustCompile(`^([2-5][0-9y][0-9z]|any|closed)$`)

// parseAlternatives reads "503 | latitude 5yz | inconclusive 4yz".
func parseAlternatives(text string) ([]alternative, error) {
	var all []alternative
	for part := range strings.SplitSeq(text, " | ") {
		a, err := parseAlternative(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func parseAlternative(text string) (a alternative, err error) {
	text, pattern, hasPattern := strings.Cut(text, "~")
	if rest, ok := strings.CutSuffix(text, "b64"); ok && hasPattern {
		a.decoded, text = true, rest
	}
	for i, word := range strings.Fields(text) {
		verdict, isVerdict := verdictWords[word]
		switch {
		case i == 0 && isVerdict:
			a.verdict = verdict
		case i == 0 && word == "done":
			a.done = true
		case strings.HasPrefix(word, "{") && strings.HasSuffix(word, "}"):
			a.same = word[1 : len(word)-1]
		case codeWord.MatchString(word):
			a.codes = append(a.codes, word)
		case strings.Count(word, ".") == 2:
			a.status = word
		default:
			return a, fmt.Errorf("%q is no code", word)
		}
	}
	if a.codes == nil && a.same == "" {
		return a, fmt.Errorf("%q has no code", text)
	}
	if hasPattern {
		a.text, err = regexp.Compile(pattern)
	}
	return a, err
}

// fits reports whether the reply, nil for the end of the connection, is this alternative.
func (a *alternative) fits(r *reply, kept map[string]int) bool {
	if r == nil {
		return slices.Contains(a.codes, "closed")
	}
	in := slices.ContainsFunc(a.codes, func(code string) bool { return codeFits(code, r.Code) })
	if a.same != "" {
		in = in || kept[a.same] == r.Code
	}
	if !in {
		return false
	}
	if a.status != "" && r.Enhanced.String() != a.status {
		return false
	}
	return a.text == nil || a.text.MatchString(r.shown(a.decoded))
}

// codeFits reports whether a code is "250", "25z", "2yz" or "any".
func codeFits(pattern string, code int) bool {
	digits := strconv.Itoa(code)
	if pattern == "any" {
		return true
	}
	if pattern == "closed" || len(digits) != 3 {
		return false
	}
	return pattern[0] == digits[0] && (pattern[1] == 'y' || pattern[1] == digits[1]) && (pattern[2] == 'z' || pattern[2] == digits[2])
}

// reply is one reply of the server, with its octets.
type reply struct {
	codec.Reply
	raw  []string // its lines as they came, with their ends
	verb string   // of the command it answers; "" for the greeting
	tls  bool
}

// shown returns the text, or what its base64 stands for.
func (r *reply) shown(decoded bool) string {
	if !decoded {
		return r.Text()
	}
	plain, err := base64.StdEncoding.DecodeString(string(r.Lines[0]))
	if err != nil {
		return "no base64"
	}
	return string(plain)
}
