package conformance

import (
	"bytes"
	"fmt"
	"strings"
)

// said takes octets of the server.
func (m *monitor) said(p []byte) {
	for _, b := range p {
		if m.dead != "" {
			return
		}
		m.reply = append(m.reply, b)
		if b == '\n' {
			m.serverLine()
		}
	}
	m.partial = len(m.reply) > 0
}

// serverLine looks at the line that has just ended; m.reply keeps all of a reply.
func (m *monitor) serverLine() {
	whole := bytes.TrimRight(m.reply, "\r\n")
	line := whole[bytes.LastIndexByte(whole, '\n')+1:]
	if len(bytes.TrimRight(m.reply[bytes.LastIndexByte(m.reply[:len(m.reply)-1], '\n')+1:], "\r\n")) == 0 {
		if m.code == 0 {
			m.reply = m.reply[:0]
		}
		m.odd("an empty line")
		return // an empty line means nothing
	}
	code := 0
	for i := 0; i < 3 && i < len(line); i++ {
		if line[i] < '0' || line[i] > '9' {
			code = 0
			break
		}
		code = code*10 + int(line[i]-'0')
	}
	if code < 200 || code > 599 || len(line) < 3 {
		if m.foreign != nil {
			m.noReply()
			return
		}
		m.garbage = true
		m.die("what is no reply")
		return
	}
	m.oddities(code, line)
	if m.code == 0 || code/100 > m.code/100 || code/100 == m.code/100 {
		m.code = code
	}
	if len(line) > 3 && line[3] == '-' {
		return
	}
	code, text := m.code, bytes.Clone(m.reply)
	m.code, m.reply = 0, m.reply[:0]
	m.complete(code, text)
}

func (m *monitor) die(why string) {
	if len(m.pending) == 1 && m.pending[0].verb == "QUIT" {
		why = "the answer to QUIT"
	}
	m.dead, m.reply = why, nil
}

// complete takes a whole reply. It belongs to the command that waits longest.
func (m *monitor) complete(code int, text []byte) {
	m.heard++
	if !m.greeted {
		m.greeted = true
		if m.foreign != nil {
			m.foreign.greeting = code
		}
		switch {
		case code == 421:
			m.die("421")
		case code/100 == 3 && m.foreign == nil:
			m.die("a greeting that is none")
		}
		return
	}
	if len(m.pending) == 0 {
		if m.mode == data && m.open != nil && code >= 400 && code != 421 {
			m.open.early = code
		}
		if m.foreign != nil {
			m.surplus(code)
			return
		}
		m.die("a reply that nobody owes")
		return
	}
	head := m.pending[0]
	if code == 421 || code == 221 && head.verb != "QUIT" {
		if code == 421 && head.verb == "RCPT" {
			head.tx.rcpts[head.rcpt] = code
		}
		m.die("the server's farewell")
		return
	}
	if absurd(head.verb, code) && m.foreign == nil {
		m.die(fmt.Sprintf("%d, which %s cannot get", code, head.verb))
		return
	}
	tx := head.tx
	m.settleOdd(tx)
	good := code/100 == 2
	done := true
	switch head.verb {
	case "QUIT":
		m.pending = nil
		m.die("the answer to QUIT")
		return
	case "EHLO", "LHLO":
		if good {
			m.hello = true
			m.offers(text)
		}
	case "HELO":
		if good {
			m.hello, m.offered = true, nil
		}
	case "AUTH", "334":
		switch {
		case code/100 == 3:
			m.auth = true
		case good:
			m.authed = true
		}
	case "MAIL", "SEND", "SOML", "SAML":
		if tx.mail = code; !good && m.open == tx && tx.odd == "" {
			m.open = nil // there is no transaction, whatever is in flight
		}
	case "RCPT":
		tx.rcpts[head.rcpt] = code
	case "DATA":
		m.answeredData(tx, code)
	case "BDAT":
		done = m.answeredBdat(tx, head.last, code)
	case ".":
		if tx == nil || tx.dot {
			break
		}
		tx.answers = append(tx.answers, code)
		done = !m.lmtp || len(tx.answers) >= tx.accepted()
	}
	if done {
		m.pending = m.pending[1:]
	}
}

// absurd reports whether no server in its senses answers so: replies and commands are
// out of step, and whoever goes on takes one message's reply for another's.
func absurd(verb string, code int) bool {
	class := code / 100
	switch verb {
	case "QUIT":
		return false
	case "AUTH", "334":
		return code == 220 || code == 354
	case "*":
		return class < 4
	case "DATA":
		return class == 2 || code == 334
	case "STARTTLS":
		return class == 3 || class == 2 && code != 220
	case "RSET":
		return class != 2
	}
	return class == 3 || code == 220
}

func (m *monitor) answeredData(tx *witnessed, code int) {
	if tx == nil {
		return
	}
	tx.data = code
	if code/100 == 3 {
		m.mode, m.dot, m.prev = data, lineStart, '\n'
		m.open = tx
		tx.dot = tx.accepted() == 0
	}
}

// answeredBdat reports whether nothing more is owed for the chunk.
func (m *monitor) answeredBdat(tx *witnessed, last bool, code int) bool {
	if tx == nil {
		return true
	}
	if !last {
		if code >= 400 && tx.data == 0 {
			tx.data = code
		}
		return true
	}
	tx.answers = append(tx.answers, code)
	return !m.lmtp || len(tx.answers) >= tx.accepted()
}

// offers reads an answer to EHLO: the first line is the server's name.
func (m *monitor) offers(text []byte) {
	m.offered = map[string]string{}
	for i, line := range bytes.Split(bytes.TrimRight(text, "\r\n"), []byte("\n")) {
		line = bytes.TrimRight(line, "\r ")
		if i == 0 || len(line) < 4 {
			continue
		}
		line = line[3:]
		if strings.IndexByte("- \t", line[0]) >= 0 { // there need be none
			line = line[1:]
		}
		words := strings.Fields(string(line))
		if len(words) == 0 {
			continue
		}
		key, arg := strings.ToUpper(words[0]), strings.Join(words[1:], " ")
		if list, ok := strings.CutPrefix(key, "AUTH="); ok {
			key, arg = "AUTH", strings.TrimSpace(list+" "+arg)
		}
		if before, ok := m.offered[key]; ok && key == "AUTH" {
			arg = before + " " + arg
		}
		m.offered[key] = arg
	}
}
