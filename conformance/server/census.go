package server

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance"
)

// rules are what must hold for every reply of a run. A rule returns what is wrong with a
// reply, "" for nothing.
var rules = map[string]func(*reply) string{
	"one code":   oneCode,
	"form":       wellFormed,
	"known code": knownCode,
	"has text":   hasText,
	"length":     shortLines,
	"status":     hasStatus,
	"ascii":      onlyASCII,
	"base64":     onlyBase64,
	"registered": registered,
}

// census judges every reply that the run has seen.
func (p *play) census(s *step, replies []*reply) {
	const few = 4
	if len(replies) < few {
		p.inconclusive("only %d replies were seen", len(replies))
		return
	}
	for _, r := range replies {
		if wrong := rules[s.text](r); wrong != "" {
			p.log.lines = conformance.AppendWire(nil, 0, "S", r.tls, []byte(strings.Join(r.raw, "")))
			if s.soft {
				p.verdict, p.reason = conformance.Latitude, wrong+" in reply to "+verbOf(r)
				return
			}
			p.fail(s.at, s.text, wrong, "a reply to %s is wrong", verbOf(r))
			return
		}
	}
	if p.verdict == conformance.Pass {
		p.reason = fmt.Sprintf("%d replies", len(replies))
	}
}

func verbOf(r *reply) string {
	if r.verb == "" {
		return "a command"
	}
	return r.verb
}

// oneCode: all lines of a reply have the same code (RFC 5321 §4.2.1).
func oneCode(r *reply) string {
	for _, line := range r.raw {
		if len(line) >= 3 && line[:3] != r.raw[0][:3] {
			return line[:3] + " beside " + r.raw[0][:3]
		}
	}
	return ""
}

// wellFormed: the reply is one for a strict decoder too (RFC 5321 §4.2).
func wellFormed(r *reply) string {
	var d codec.Decoder
	d.Reset(codec.Limits{Line: 64 << 10}, true)
	d.Feed([]byte(strings.Join(r.raw, "")))
	if _, err := d.Next(); err != nil {
		return err.Error()
	}
	return ""
}

// standard are the codes of RFC 5321 §4.2.3, those of RFC 4954 §6, RFC 3207 §4, RFC 7504
// §3, RFC 1985 §5, and of RFC 2645 §5.2.
var standard = []int{
	211, 214, 220, 221, 235, 250, 251, 252, 253, 334, 354, 421, 432, 450, 451, 452, 453, 454, 455, 458, 459,
	500, 501, 502, 503, 504, 521, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556,
}

// knownCode: codes are those of the standards (RFC 5321 §4.3.2).
func knownCode(r *reply) string {
	if slices.Contains(standard, r.Code) {
		return ""
	}
	return strconv.Itoa(r.Code)
}

// hasText: there is something behind the code (RFC 5321 §4.2).
func hasText(r *reply) string {
	for _, line := range r.raw {
		if bare := strings.TrimRight(line, "\r\n"); len(bare) == 3 {
			return bare
		}
	}
	return ""
}

// shortLines: 512 octets with CR LF (RFC 5321 §4.5.3.1.5); challenges of AUTH are longer
// (RFC 4954 §4).
func shortLines(r *reply) string {
	for _, line := range r.raw {
		if len(line) > codec.CommandLine && r.Code != 334 {
			return fmt.Sprintf("%d octets", len(line))
		}
	}
	return ""
}

// hasStatus: an enhanced code of the reply's class on each line (RFC 2034 §4). The
// greeting, and what answers EHLO and HELO, have none.
func hasStatus(r *reply) string {
	if r.verb == "" || slices.Contains([]string{"EHLO", "HELO", "LHLO"}, r.verb) || r.Code/100 == 3 {
		return ""
	}
	for _, line := range r.Lines {
		e, _ := codec.ParseEnhanced(line)
		if int(e.Class) != r.Code/100 {
			return strconv.Itoa(r.Code) + " " + string(line)
		}
		if e != r.Enhanced {
			return e.String() + " beside " + r.Enhanced.String()
		}
	}
	return ""
}

// onlyASCII: nothing else but in mailboxes (RFC 6531 §3.7.4.2).
func onlyASCII(r *reply) string {
	for _, line := range r.Lines {
		for word := range bytes.FieldsSeq(line) {
			beyond := bytes.ContainsFunc(word, func(c rune) bool { return c > 0x7e })
			if beyond && !bytes.Contains(word, []byte("@")) {
				return string(word)
			}
		}
	}
	return ""
}

// onlyBase64: a challenge is base64 (RFC 4954 §4). NTLM, which is none of SASL's mechanisms,
// begins with words (MS-SMTPNTLM).
func onlyBase64(r *reply) string {
	if r.Code != 334 || strings.EqualFold(r.Text(), "NTLM supported") {
		return ""
	}
	if _, err := codec.DecodeChallenge(nil, r.Lines[0]); err != nil || len(r.Lines) > 1 {
		return string(r.Lines[0])
	}
	return ""
}

// keywords are the registered ones, those of RFC 821 that stand in the registry too.
var keywords = []string{
	"SEND", "SOML", "SAML", "EXPN", "HELP", "TURN", "VRFY", "8BITMIME", "SIZE", "VERB", "ONEX", "CHUNKING", "BINARYMIME",
	"CHECKPOINT", "DELIVERBY", "PIPELINING", "DSN", "ETRN", "ENHANCEDSTATUSCODES", "STARTTLS", "NO-SOLICITING",
	"MTRK", "SUBMITTER", "ATRN", "AUTH", "FUTURERELEASE", "CONPERM", "CONNEG", "SMTPUTF8", "MT-PRIORITY",
	"RRVS", "REQUIRETLS", "LIMITS", "BURL",
}

// registered: what is listed is registered, or begins with X (RFC 5321 §2.2.2). The old
// spelling AUTH= counts as AUTH.
func registered(r *reply) string {
	if r.verb != "EHLO" && r.verb != "LHLO" || r.Code != 250 {
		return ""
	}
	for _, line := range r.Lines[1:] {
		word, _, _ := bytes.Cut(line, []byte(" "))
		name, _, _ := strings.Cut(strings.ToUpper(string(word)), "=")
		if !strings.HasPrefix(name, "X") && !slices.Contains(keywords, name) {
			return name
		}
	}
	return ""
}
