package server

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// stored is what a mailbox must hold: so many messages with the play's id, each like this.
type stored struct {
	least, most int
	has         string         // a text that is in it
	head        *regexp.Regexp // its header, trace fields included
	body        string         // a file of the check: the octets behind the header
	whole       string         // a file of the check: what was sent, with nothing but fields in front of it
	advised     bool           // a difference is latitude
}

// parseStored reads "1 body=@sent", "0 1 has=second" or "1 head~Received: latitude".
func parseStored(text string) (m stored, err error) {
	text, pattern, hasPattern := strings.Cut(text, "head~")
	if hasPattern {
		if m.head, err = regexp.Compile(pattern); err != nil {
			return m, err
		}
	}
	numbers := 0
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.Atoi(word)
		switch {
		case err == nil && numbers == 0:
			m.least, m.most, numbers = n, n, 1
		case err == nil && numbers == 1:
			m.most, numbers = n, 2
		case key == "has":
			m.has = value
		case key == "body":
			m.body = strings.TrimPrefix(value, "@")
		case key == "whole":
			m.whole = strings.TrimPrefix(value, "@")
		case key == "latitude":
			m.advised = true
		default:
			return m, fmt.Errorf("%q is nothing that a mailbox has", word)
		}
	}
	if numbers == 0 {
		return m, errors.New("there is no number of messages")
	}
	return m, nil
}

// poll is how often the mailbox is looked at. It may take twice as long as a reply.
const poll = 15 * time.Millisecond

// mailbox ends the sessions, sends a second message, and looks at what has arrived before
// it. What is in the mailbox counts, and the number of replies only where that is right,
// or cannot be seen.
func (p *play) mailbox(s *step) {
	if !p.mail {
		return
	}
	extra := p.leave()
	if p.t.Sink == nil {
		p.verdict, p.reason = conformance.Inconclusive, noSink
		p.extra(extra)
		return
	}
	defer func() {
		if !p.over() {
			p.extra(extra)
		}
	}()
	messages, err := p.arrived(s.mail)
	if err != nil {
		p.inconclusive("%v", err)
		return
	}
	if n := len(messages); n < s.mail.least || n > s.mail.most {
		p.fail(s.at, s.text, fmt.Sprintf("%d messages", n), "the number of messages is wrong")
		return
	}
	for _, text := range messages {
		if want, got := p.differs(s.mail, text); want != got {
			if s.mail.advised {
				p.verdict, p.reason = conformance.Latitude, "the message has been changed"
				return
			}
			p.fail(s.at, show(want), show(got), "the message is another")
			return
		}
	}
}

// arrived returns the messages with the play's id, once a message behind them is there
// too and all is calm.
func (p *play) arrived(m stored) ([]string, error) {
	ctx, cancel := context.WithTimeout(p.ctx, 2*p.t.Timeout)
	defer cancel()
	id := p.vars["id"]
	last := id + "-last"
	if err := p.send(last); err != nil {
		return nil, fmt.Errorf("the message behind it: %w", err)
	}
	if err := p.await(ctx, last, 1); err != nil {
		return nil, err
	}
	// What was sent first may come last; and then there may be one too many.
	_ = p.await(ctx, id, 1+m.least)
	settle, cancel := context.WithTimeout(ctx, p.t.Calm)
	defer cancel()
	_ = p.await(settle, id, 2+m.most)
	all, err := p.t.Sink.Messages(p.ctx, id)
	var mine []string
	for _, text := range all {
		if !strings.Contains(text, last) {
			mine = append(mine, strings.ReplaceAll(text, "\r\n", "\n"))
		}
	}
	return mine, err
}

// await waits until the mailbox has n messages with the text.
func (p *play) await(ctx context.Context, text string, n int) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		all, err := p.t.Sink.Messages(ctx, text)
		if err != nil || len(all) >= n {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not arrive", text)
		case <-tick.C:
		}
	}
}

// send sends a message that has nothing but an id, over a connection of its own.
func (p *play) send(id string) error {
	q := newPlay(p.ctx, p.t, nil, p.vars)
	q.session("")
	defer q.abandon()
	if err := q.arrive("data"); err != nil {
		return err
	}
	if err := wantCode(250)(q.cur.command("Subject: " + id + "\r\n\r\n.")); err != nil {
		return err
	}
	q.cur.quit()
	return nil
}

// differs returns what of the message was wanted and what it has, the same if it fits.
func (p *play) differs(m stored, text string) (want, got string) {
	head, body, _ := strings.Cut(text, "\n\n")
	file := func(name string) string {
		return strings.ReplaceAll(string(p.fill(p.c.files[name])), "\r\n", "\n")
	}
	switch {
	case m.has != "" && !strings.Contains(text, m.has):
		return m.has, text
	case m.head != nil && !m.head.MatchString(head):
		return m.head.String(), head
	case m.body != "":
		_, want, _ = strings.Cut(file(m.body), "\n\n")
		return want, endless(body, want)
	case m.whole != "":
		want = file(m.whole)
		first, _, _ := strings.Cut(want, "\n")
		if i := strings.Index("\n"+text, "\n"+first+"\n"); i >= 0 {
			text = text[i:]
		}
		return want, endless(text, want)
	}
	return "", ""
}

// endless takes off the blank line that some mailboxes put behind a message.
func endless(got, want string) string {
	if got == want+"\n" {
		return want
	}
	return got
}

// show clips a text for a report.
func show(text string) string {
	const most = 300
	if len(text) > most {
		text = text[:most] + "…"
	}
	return smtpt.Escape([]byte(text), false)
}
