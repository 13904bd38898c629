package message

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// AddressError says why a text is no mailbox, path or address list.
type AddressError struct {
	What   string // the element that is wrong: "local part", "domain", "path", "address list" ...
	Input  string // the text that was parsed, clipped around Offset; not escaped: show it with %q
	Offset int    // octets from the start of the text to the fault
	Rule   string // what is demanded there, with the section of the RFC that demands it
}

// Error returns one printable line; the input is quoted.
func (e *AddressError) Error() string {
	return "message: " + e.What + ": at octet " + strconv.Itoa(e.Offset) + " of " +
		strconv.QuoteToASCII(e.Input) + ": " + e.Rule
}

// HeaderError says why a header field cannot be written. Nothing has been
// written when it is returned.
type HeaderError struct {
	Field  string // the field's name, or the Go field of Message that gives it; clipped
	Offset int    // octets from the start of the value to the fault, or -1 if the whole is meant
	Value  string // the value, clipped around Offset; not escaped: show it with %q
	Rule   string // what is demanded, with the section of the RFC that demands it
	Err    error  // a cause, or nil
}

// Error returns one printable line; name and value are quoted.
func (e *HeaderError) Error() string {
	var b strings.Builder
	b.WriteString("message: header field " + strconv.QuoteToASCII(e.Field) + ": ")
	if e.Offset >= 0 {
		b.WriteString("at octet " + strconv.Itoa(e.Offset) + " of " + strconv.QuoteToASCII(e.Value) + ": ")
	}
	b.WriteString(e.Rule)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *HeaderError) Unwrap() error { return e.Err }

// clipAt returns at most clipLen octets of s around offset, cut between runes.
func clipAt(s string, offset int) string {
	if len(s) <= clipLen {
		return s
	}
	from := min(max(offset-clipLen/2, 0), len(s)-clipLen)
	to := from + clipLen
	for from < to && !utf8.RuneStart(s[from]) {
		from++
	}
	for to < len(s) && to > from && !utf8.RuneStart(s[to]) {
		to--
	}
	return s[from:to]
}

const clipLen = 80
