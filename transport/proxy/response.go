package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// The limits of what an HTTP proxy may say, in octets where not said otherwise.
const (
	maxLine    = 8 << 10  // a line of the header section
	maxSection = 64 << 10 // a header section
	maxFields  = 200      // field lines in it
	maxInterim = 8        // 1xx responses before the final one
	maxBody    = 64 << 10 // the body of a 407 after which the connection is used again
)

// response is what matters of an HTTP response to CONNECT.
type response struct {
	status     int
	reason     string
	challenges []challenge // of Proxy-Authenticate
	keeps      bool        // the proxy keeps the connection, by its version or word
	closes     bool        // it says that it closes
	length     int64       // of the body; -1: not told
	chunked    bool
}

// readResponse reads up to the blank line of the final response, and consumes not
// one octet behind it. Lines may end in LF alone (RFC 9112 §2.2).
func (a *attempt) readResponse(br *bufio.Reader) (*response, error) {
	for range maxInterim {
		if err := a.expectHTTP(br); err != nil {
			return nil, err
		}
		r, err := a.readSection(br)
		if err != nil {
			return nil, err
		}
		if r.status == 101 {
			return nil, a.refused(ReasonBadReply, r.status, r.reason) // nothing was to be upgraded
		}
		if r.status >= 200 {
			return r, nil
		}
	}
	return nil, a.tooLong("interim responses")
}

// expectHTTP looks at the first octets as they come, so that a peer that speaks
// another protocol, and may then wait for us, is found out at once.
func (a *attempt) expectHTTP(br *bufio.Reader) error {
	const start = "HTTP/1."
	for i := range len(start) {
		p, err := br.Peek(i + 1)
		if err != nil {
			return err
		}
		if p[i] != start[i] {
			p, _ = br.Peek(br.Buffered())
			return a.refused(ReasonBadReply, 0, string(p[:min(len(p), maxText)]))
		}
	}
	return nil
}

func (a *attempt) readSection(br *bufio.Reader) (*response, error) {
	line, err := a.line(br)
	if err != nil {
		return nil, err
	}
	r := &response{length: -1}
	if !r.statusLine(line) {
		return nil, a.refused(ReasonBadReply, 0, string(line))
	}
	total := len(line)
	for range maxFields {
		line, err := a.line(br)
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			return r, nil
		}
		if total += len(line); total > maxSection {
			return nil, a.tooLong("header section")
		}
		if i := bytes.IndexFunc(line, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }); i >= 0 {
			return nil, a.refused(ReasonBadReply, r.status, string(line))
		}
		r.field(line)
	}
	return nil, a.tooLong("header section")
}

// line returns the next line without its end; it is valid until the next read.
func (a *attempt) line(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, a.tooLong("line")
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

func (a *attempt) tooLong(what string) *Error {
	return a.fail(ReasonLongReply, errors.New(what+" over the limit"))
}

// statusLine reads "HTTP/1.1 200 OK"; the reason may be missing, RFC 9112 §4.
func (r *response) statusLine(line []byte) bool {
	version, rest, _ := strings.Cut(string(line), " ")
	if len(version) != len("HTTP/1.1") || !isDigit(version[7]) {
		return false
	}
	rest = strings.TrimLeft(rest, " ")
	if len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' {
		return false
	}
	status, err := strconv.ParseUint(rest[:3], 10, 16)
	if err != nil || status < 100 || status > 599 {
		return false
	}
	r.status, r.reason = int(status), strings.TrimSpace(rest[3:])
	r.keeps = version[7] != '0'
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// field takes note of the fields that matter. What is no field is passed over: a
// proxy's decoration must not keep a tunnel from standing.
func (r *response) field(line []byte) {
	name, value, ok := strings.Cut(string(line), ":")
	if !ok {
		return
	}
	value = strings.Trim(value, " \t")
	switch strings.ToLower(name) {
	case "proxy-authenticate":
		r.challenges = append(r.challenges, parseChallenges(value)...)
	case "connection", "proxy-connection":
		for option := range strings.SplitSeq(value, ",") {
			switch strings.ToLower(strings.Trim(option, " \t")) {
			case "close":
				r.closes = true
			case "keep-alive":
				r.keeps = true
			}
		}
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || r.length >= 0 && r.length != int64(n) {
			r.closes, r.length = true, -1
			return
		}
		r.length = int64(n)
	case "transfer-encoding":
		r.chunked = strings.EqualFold(value, "chunked")
		r.closes = r.closes || !r.chunked
	}
}

// reusable reads the body of a 407 away and reports whether another request may
// follow on this connection. A body without a known end, or a long one, is not
// waited for.
func (r *response) reusable(br *bufio.Reader) bool {
	switch {
	case r.chunked:
		return skipChunks(br) && r.keeps && !r.closes
	case r.length >= 0 && r.length <= maxBody:
		_, err := br.Discard(int(r.length))
		return err == nil && r.keeps && !r.closes
	}
	return false
}

// skipChunks reads a chunked body away, RFC 9112 §7.1.
func skipChunks(br *bufio.Reader) bool {
	for total := 0; total <= maxBody; {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return false
		}
		size, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		if err != nil || n > maxBody {
			return false
		}
		total += len(line) + int(n)
		if n == 0 {
			return skipTrailer(br)
		}
		if _, err := br.Discard(int(n)); err != nil {
			return false
		}
		if line, err := br.ReadSlice('\n'); err != nil || len(bytes.TrimSpace(line)) != 0 {
			return false
		}
	}
	return false
}

func skipTrailer(br *bufio.Reader) bool {
	for range maxFields {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return false
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return true
		}
	}
	return false
}
