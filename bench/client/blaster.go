package client

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/parley-mail/parley/bench/load"
)

// dialogue is a message, rendered. A step is one write, and how many replies come for it.
type dialogue struct {
	first  []step // before the content of the first message
	middle []step // the content of a message, and what goes before the next one
	last   []step // the content of the last
	one    step   // chunked: the whole of a message
}

type step struct {
	octets  []byte
	replies int
}

func render(l *load.Load, content []byte) (*dialogue, error) {
	mail := "MAIL FROM:<" + l.Sender() + ">\r\n"
	var rcpts []string
	var envelope bytes.Buffer
	envelope.WriteString(mail)
	for _, r := range l.Recipients() {
		rcpts = append(rcpts, "RCPT TO:<"+r+">\r\n")
		envelope.WriteString(rcpts[len(rcpts)-1])
	}
	const data = "DATA\r\n"
	n := len(rcpts)
	stuffed := bytes.ReplaceAll(content, []byte("\r\n."), []byte("\r\n.."))
	stuffed = append(stuffed, ".\r\n"...)
	d := &dialogue{}
	switch l.Mode {
	case load.Plain:
		d.first = append(d.first, step{[]byte(mail), 1})
		for _, r := range rcpts {
			d.first = append(d.first, step{[]byte(r), 1})
		}
		d.first = append(d.first, step{[]byte(data), 1})
		d.last = []step{{stuffed, 1}}
		d.middle = append(d.last, d.first...)
	case load.Pipelined:
		envelope.WriteString(data)
		d.first = []step{{envelope.Bytes(), n + 2}}
		d.last = []step{{stuffed, 1}}
		d.middle = []step{{append(stuffed[:len(stuffed):len(stuffed)], envelope.Bytes()...), n + 3}}
	case load.Chunked:
		fmt.Fprintf(&envelope, "BDAT %d LAST\r\n", len(content))
		envelope.Write(content)
		d.one = step{bytes.Repeat(envelope.Bytes(), l.Inflight), n + 2}
		d.one.octets = d.one.octets[:len(d.one.octets):len(d.one.octets)]
	default:
		return nil, fmt.Errorf("client: no mode %q", l.Mode)
	}
	return d, nil
}

// blaster writes what was rendered before, and counts the line ends of what comes back.
type blaster struct {
	*dialogue
	conn   net.Conn
	window int
	buf    [4096]byte
	unread int // replies that came and that nobody has waited for yet
}

func newBlaster(l *load.Load, content []byte) (load.Opener, error) {
	if err := noSTARTTLS(l); err != nil {
		return nil, err
	}
	d, err := render(l, content)
	if err != nil {
		return nil, err
	}
	dial, err := dialer(l)
	if err != nil {
		return nil, err
	}
	return func() (load.Session, error) {
		nc, err := dial()
		if err != nil {
			return nil, err
		}
		b := &blaster{dialogue: d, conn: nc, window: l.Inflight}
		if err := b.hello(); err != nil {
			nc.Close()
			return nil, err
		}
		if l.Hold { // idling costs no buffer of ours
			return &idle{nc}, nil
		}
		return b, nil
	}, nil
}

// idle is a session that is only there.
type idle struct{ net.Conn }

func (*idle) Send(int) error { return errors.New("client: an idle session sends nothing") }

// hello reads the greeting and the reply to EHLO.
func (b *blaster) hello() error {
	if err := b.await(1); err != nil {
		return err
	}
	if _, err := b.conn.Write([]byte("EHLO client.example\r\n")); err != nil {
		return err
	}
	var all []byte
	for {
		n, err := b.conn.Read(b.buf[:])
		if err != nil {
			return err
		}
		all = append(all, b.buf[:n]...)
		if i := bytes.LastIndex(all, []byte("250 ")); i >= 0 && all[len(all)-1] == '\n' {
			return nil
		}
	}
}

// await reads until that many replies, of one line each, have come.
func (b *blaster) await(replies int) error {
	for b.unread < replies {
		if err := b.read(); err != nil {
			return err
		}
	}
	b.unread -= replies
	return nil
}

func (b *blaster) read() error {
	n, err := b.conn.Read(b.buf[:])
	b.unread += bytes.Count(b.buf[:n], []byte{'\n'})
	return err
}

func (b *blaster) steps(steps []step) error {
	for _, s := range steps {
		if _, err := b.conn.Write(s.octets); err != nil {
			return err
		}
		if err := b.await(s.replies); err != nil {
			return err
		}
	}
	return nil
}

func (b *blaster) Send(n int) error {
	if n == 0 {
		return nil
	}
	if b.one.replies > 0 {
		return b.slide(n)
	}
	if err := b.steps(b.first); err != nil {
		return err
	}
	for range n - 1 {
		if err := b.steps(b.middle); err != nil {
			return err
		}
	}
	return b.steps(b.last)
}

// slide keeps the window full: for each message answered one more is written, all that
// can be written in one piece.
func (b *blaster) slide(n int) error {
	size := len(b.one.octets) / b.window
	for left, out := n, 0; left+out > 0; {
		if k := min(left, b.window-out); k > 0 {
			if _, err := b.conn.Write(b.one.octets[:k*size]); err != nil {
				return err
			}
			left, out = left-k, out+k
		}
		for b.unread < b.one.replies {
			if err := b.read(); err != nil {
				return err
			}
		}
		done := b.unread / b.one.replies
		b.unread -= done * b.one.replies
		out -= done
	}
	return nil
}

// Close spends a turn on QUIT.
func (b *blaster) Close() error {
	if err := b.steps([]step{{[]byte("QUIT\r\n"), 1}}); err != nil {
		return err
	}
	return b.conn.Close()
}
