//go:build unix

package cube

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/message"
)

// Job is a cell and how it is delivered.
type Job struct {
	Cell     *Cell // of which Delivered, Err are filled in
	Endpoint *parley.Endpoint
	Mode     Mode
	Login    string // the mechanism that must have been used; "": none
	Limited  bool   // 7 bit only: 8BITMIME is not offered
	Small    bool   // the server takes no long message
	Done     func() // called afterwards; nil: nothing is to be done
}

// Courier carries out jobs at one peer, all of them to one mailbox, which is his alone.
type Courier struct {
	Peer    peers.Peer
	To      peers.Account
	Workers int // jobs at a time; 0: 4

	n    int             // messages numbered so far
	sent map[string]sent // by Message-ID
}

// sent is a message that the server has taken.
type sent struct {
	cell    *Cell
	content string
}

// patience bounds one cell, and then the wait for what was taken to be stored.
const patience = time.Minute

// Run delivers every cell that has no reason against it, then waits for what the server
// has taken and compares. The error is one of the peer as a whole.
func (c *Courier) Run(ctx context.Context, jobs []Job) error {
	if c.sent == nil {
		c.sent = map[string]sent{}
	}
	workers := c.Workers
	if workers == 0 {
		workers = 4
	}
	queue := make(chan Job)
	var all sync.WaitGroup
	var mu sync.Mutex // over c and the cells
	for range workers {
		all.Go(func() {
			for j := range queue {
				mu.Lock()
				ids := c.number(j.Mode.Messages)
				mu.Unlock()
				contents, err := j.deliver(ctx, c.To, ids)
				mu.Lock()
				if err != nil {
					j.Cell.Err = err.Error()
				}
				for i, content := range contents {
					c.sent[ids[i]] = sent{j.Cell, content}
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		if j.Cell.Why == "" && j.Cell.Err == "" {
			queue <- j
		}
	}
	close(queue)
	all.Wait()
	return c.compare(ctx)
}

// Table runs jobs and puts their cells into a table of the report. The error names every
// cell that failed.
func (c *Courier) Table(ctx context.Context, r *Report, title string, heads, columns []string, jobs []Job) error {
	all := c.Run(ctx, jobs)
	for _, j := range jobs {
		r.Add(title, heads, columns, j.Cell)
		if j.Cell.Err != "" {
			all = errors.Join(all, fmt.Errorf("%s: %s: %s", title, j.Cell, j.Cell.Err))
		}
	}
	return all
}

// number makes n Message-IDs.
func (c *Courier) number(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		c.n++
		ids[i] = fmt.Sprintf("%d@cube.test", c.n)
	}
	return ids
}

// deliver sends the messages of a cell and returns their contents, all of which the server
// has taken if there is no error.
func (j *Job) deliver(ctx context.Context, to peers.Account, ids []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if j.Done != nil {
		defer j.Done()
	}
	contents := make([]string, len(ids))
	for i, id := range ids {
		contents[i] = content(id, j.Limited, len(ids) == 1 && !j.Small)
	}
	j.Mode.set(&j.Endpoint.Session)
	if len(ids) == 1 {
		return contents, j.alone(ctx, mail(to, contents[0]))
	}
	return contents, j.together(ctx, to, contents)
}

// alone delivers one message on a connection and looks at what the connection was.
func (j *Job) alone(ctx context.Context, m *parley.Mail) error {
	c, err := parley.Dial(ctx, j.Endpoint)
	if err != nil {
		return err
	}
	defer c.Close()
	if got := c.Session().Authenticated(); got != j.Login {
		return fmt.Errorf("logged in by %q, not by %q", got, j.Login)
	}
	if s := c.Security(); s.Secure != (j.Endpoint.TLS != parley.TLSNone) || s.Secure && (!s.Verified || s.Engine != j.Endpoint.TLSConfig.Engine) {
		return fmt.Errorf("secure %v, verified %v, engine %q", s.Secure, s.Verified, s.Engine)
	}
	result, err := c.Deliver(ctx, m)
	if err != nil {
		return err
	}
	if o := result.Outcome(); o != parley.OutcomeAccepted {
		return fmt.Errorf("outcome %s", o)
	}
	return c.Quit(ctx)
}

// together has several messages in flight at once on one connection, and demands that
// nothing had to be tried again.
func (j *Job) together(ctx context.Context, to peers.Account, contents []string) error {
	s := &parley.Sender{MaxConns: 1}
	var messages []*parley.Message
	var all error
	for _, content := range contents {
		m := &parley.Message{Endpoint: j.Endpoint, Mail: *mail(to, content)}
		if err := s.Submit(ctx, m); err != nil {
			all = errors.Join(all, err)
			continue
		}
		messages = append(messages, m)
	}
	for _, m := range messages {
		_, err := s.Wait(ctx, m)
		all = errors.Join(all, err)
	}
	all = errors.Join(all, s.Close(ctx))
	if st := s.Stats(); all == nil && (st.Accepted != uint64(len(contents)) || st.Dials != 1 || st.Again+st.TurnedDown != 0) {
		all = fmt.Errorf("not all at once on one connection: %+v", st)
	}
	return all
}

// compare waits until as many messages are stored as were taken, and holds each to what
// was sent.
func (c *Courier) compare(ctx context.Context) error {
	taken := map[string]sent{}
	for id, s := range c.sent {
		if s.cell.Err == "" {
			taken[id] = s
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stored, err := peers.Await(ctx, c.Peer, c.To.User, len(taken))
	seen := map[*Cell]map[string]bool{}
	for _, m := range stored {
		id := idOf(m.Content)
		s, ok := c.sent[id]
		if !ok {
			err = errors.Join(err, fmt.Errorf("%s: a message nobody sent: %.300q", c.Peer.Name(), m.Content))
			continue
		}
		if seen[s.cell] == nil {
			seen[s.cell] = map[string]bool{}
		}
		switch {
		case seen[s.cell][id]:
			s.cell.Err += "delivered twice; "
		case string(m.Content) != Stored(s.content):
			s.cell.Err += differ(Stored(s.content), string(m.Content)) + "; "
		}
		seen[s.cell][id] = true
	}
	for id, s := range taken {
		if !seen[s.cell][id] {
			s.cell.Err += "not stored: " + id + "; "
		}
		s.cell.Delivered = len(seen[s.cell])
	}
	return err
}

// differ shows where what was stored leaves what was sent.
func differ(sent, stored string) string {
	n := 0
	for n < min(len(sent), len(stored)) && sent[n] == stored[n] {
		n++
	}
	from := max(0, n-20)
	return fmt.Sprintf("altered at octet %d: sent %.60q, stored %.60q", n, sent[from:], stored[from:])
}

var messageID = regexp.MustCompile(`(?m)^Message-ID: <(.*)>$`)

// idOf is the Message-ID of a stored message, "" without one.
func idOf(content []byte) string {
	if m := messageID.FindSubmatch(content); m != nil {
		return string(m[1])
	}
	return ""
}

// Stored is how a peer keeps content: with the line ends of a file, the last one included.
func Stored(content string) string {
	s := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(content)
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}

// content is a message with what is easily lost or changed on the way: dots, the line that
// would end it and a command behind that, blank lines, white space at the end, the longest
// line, octets over 127 and a last line without its end. One that is long is sent in more
// than one piece, and by BDAT in more than one chunk.
func content(id string, limited, long bool) string {
	foxes := 60
	if long {
		foxes = 2 * piece / len(fox)
	}
	eight := "gr\u00fc\u00dfe \xff\xfe"
	if limited {
		eight = "gruesse"
	}
	return "From: <sender@client.test>\r\nTo: <carol@parley.test>\r\nSubject: interop\r\nDate: Wed, 25 Nov 2026 12:00:00 +0000\r\n" +
		"Message-ID: <" + id + ">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
		".\r\n..\r\n.dot\r\n\r\n.\r\nMAIL FROM:<evil@client.test>\r\nBDAT 0 LAST\r\n\r\n  white  \r\n\t\r\n" + eight + "\r\n" +
		strings.Repeat("x", 998) + "\r\n." + strings.Repeat("y", 997) + "\r\n" +
		strings.Repeat(fox, foxes) + "\r\n\r\nend"
}

const (
	fox   = "The quick brown fox jumps over the lazy dog.\r\n"
	piece = 32 << 10 // what the client reads at once of content that is not in memory
)

// mail has short content in memory, and long in what is read.
func mail(to peers.Account, content string) *parley.Mail {
	body := message.FromBytes([]byte(content))
	if len(content) > piece {
		body = message.FromReaderAt(strings.NewReader(content), int64(len(content)))
	}
	return &parley.Mail{
		Envelope: &message.Envelope{
			ReversePath: message.MustParsePath("sender@client.test"),
			Recipients:  []message.Recipient{{Path: message.MustParsePath(to.Mailbox())}},
		},
		Content: body,
	}
}
