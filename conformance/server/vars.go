package server

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/conformance/smtpt"
)

// variables are what a check can have the target fill in.
var variables = []string{
	"name", "helo", "from", "rcpt", "unknown", "relay", "local", "domain", "user", "password", "id",
}

// vars are the values of variables.
type vars map[string]string

// expand fills a text: \r and its kin, {name}, {b64:TEXT}, {TEXT*N}, and {bdat:TEXT} and
// {last:TEXT} for a chunk with its command.
func (v vars) expand(s string) ([]byte, error) {
	var out []byte
	for s != "" {
		i := strings.IndexByte(s, '{')
		if i < 0 {
			i = len(s)
		}
		plain, col, err := smtpt.Unescape(s[:i])
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", col+1, err)
		}
		out = append(out, plain...)
		if s = s[i:]; s == "" {
			break
		}
		end := smtpt.Closing(s)
		if end < 0 {
			return nil, fmt.Errorf("{ without }")
		}
		filled, err := v.fill(s[1:end])
		if err != nil {
			return nil, err
		}
		out, s = append(out, filled...), s[end+1:]
	}
	return out, nil
}

// fill returns what stands for the text in a pair of braces.
func (v vars) fill(text string) ([]byte, error) {
	if value, ok := v[text]; ok {
		return []byte(value), nil
	}
	if rest, ok := strings.CutPrefix(text, "b64:"); ok {
		plain, err := v.expand(rest)
		return base64.StdEncoding.AppendEncode(nil, plain), err
	}
	for word, last := range map[string]string{"bdat:": "", "last:": " LAST"} {
		if rest, ok := strings.CutPrefix(text, word); ok {
			chunk, err := v.expand(rest)
			return append(fmt.Appendf(nil, "BDAT %d%s\r\n", len(chunk), last), chunk...), err
		}
	}
	if i := strings.LastIndexByte(text, '*'); i > 0 {
		if n, err := strconv.Atoi(text[i+1:]); err == nil && n >= 0 && n <= 1<<20 {
			unit, err := v.expand(text[:i])
			return bytes.Repeat(unit, n), err
		}
	}
	return nil, fmt.Errorf("nothing is known of {%s}", text)
}
