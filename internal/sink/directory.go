package sink

import (
	"strings"
)

// Directory answers VRFY and EXPN (RFC 5321 §3.5).
type Directory struct {
	// Mailboxes are what VRFY finds, "Sam Q. Smith <smith@mx.example>" or the bare
	// address. A name matches a whole address, a local part, or a word in front of
	// the address.
	Mailboxes []string
	// Lists are the members of mailing lists by name, in the same form.
	Lists map[string][]string
}

func (s *session) vrfy(args []byte) {
	name, ok := s.directoryName(args)
	if !ok {
		return
	}
	var found []string
	for _, m := range s.srv.Directory.Mailboxes {
		if matches(m, name) {
			found = append(found, m)
		}
	}
	switch {
	case !s.offers(Verify) || len(s.srv.Directory.Mailboxes) == 0: // RFC 5321 §7.3
		s.say(252, "2.5.2", "Cannot verify, but a message will be taken")
	case len(found) == 0:
		s.say(550, "5.1.1", "No such mailbox")
	case len(found) > 1:
		s.sayMailboxes(553, "5.1.4", append([]string{"Ambiguous; Possibilities are"}, found...))
	default:
		s.sayMailboxes(250, "2.1.5", found)
	}
}

func (s *session) expn(args []byte) {
	if !s.offers(Expand) {
		s.say(502, "5.5.1", "Not offered")
		return
	}
	name, ok := s.directoryName(args)
	if !ok {
		return
	}
	for list, members := range s.srv.Directory.Lists {
		if strings.EqualFold(list, name) && len(members) > 0 {
			s.sayMailboxes(250, "2.1.5", members)
			return
		}
	}
	s.say(550, "5.1.1", "No such mailing list")
}

// directoryName returns the argument of VRFY and EXPN, or answers it. Whether the
// client takes UTF-8 in the reply is said by a parameter (RFC 6531 §3.7.4.2).
func (s *session) directoryName(args []byte) (string, bool) {
	name, utf8 := strings.CutSuffix(string(args), " SMTPUTF8")
	name = strings.Trim(name, "<>")
	switch {
	case name == "":
		s.say(501, "5.5.4", "A name is needed")
		return "", false
	case utf8 && !s.offers(SMTPUTF8):
		s.say(555, "5.5.4", "Parameter not recognized or not offered")
		return "", false
	case !utf8 && !ascii(args):
		s.say(553, "5.6.7", "Not ASCII, and SMTPUTF8 was not asked for")
		return "", false
	}
	s.repliesUTF8 = utf8
	return name, true
}

// sayMailboxes shows mailboxes; one that the client could not take makes the reply
// RFC 6531 §3.7.4.2 has for it.
func (s *session) sayMailboxes(code int, enhanced string, lines []string) {
	text := strings.Join(lines, "\n")
	if !s.repliesUTF8 && !ascii([]byte(text)) {
		s.say(252, "2.6.8", "UTF-8 is needed to show the mailbox, and SMTPUTF8 was not asked for")
		return
	}
	s.sayReply(Reply{code, enhanced, text})
}

func matches(mailbox, name string) bool {
	words, address, bracketed := strings.Cut(mailbox, "<")
	if !bracketed {
		words, address = "", mailbox
	}
	address = strings.TrimSuffix(address, ">")
	local, _, _ := strings.Cut(address, "@")
	if strings.EqualFold(address, name) || strings.EqualFold(local, name) {
		return true
	}
	for _, w := range strings.Fields(words) {
		if strings.EqualFold(w, name) {
			return true
		}
	}
	return false
}
