package client

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/parley-mail/parley/bench/load"
)

// probe is the blaster with the work added that no client can leave out, and nothing
// else: it writes its commands from addresses that it has looked at, checks and stuffs
// the content, reads each reply, takes each step by a table with a hook, keeps what became
// of every recipient, and has a deadline. It has no errors to tell apart, no pool, no
// context, no events. What it costs above the blaster is what a bar for a client has to
// allow on the machine at hand.
type probe struct {
	conn    net.Conn
	load    *load.Load
	from    string
	to      []string
	content []byte

	out    []byte
	in     [4096]byte
	have   int // octets in in
	state  uint8
	hook   func(from, to uint8)
	steps  int
	armed  time.Duration
	owed   []owed // replies, in order
	fate   []uint16
	failed error
}

// owed is a reply that is to come.
type owed struct {
	kind      uint8
	recipient int32
}

const (
	probeMail = iota
	probeRcpt
	probeData
	probeContent
	probeKinds
)

const (
	probeReady = iota
	probeEnvelope
	probeRecipients
	probeInContent
	probeStates
)

// probeTable is where a positive reply leads.
var probeTable = [probeStates][probeKinds]uint8{
	probeReady:      {probeMail: probeEnvelope},
	probeEnvelope:   {probeRcpt: probeRecipients},
	probeRecipients: {probeRcpt: probeRecipients, probeData: probeInContent, probeContent: probeReady},
	probeInContent:  {probeContent: probeReady},
}

var probeEpoch = time.Now()

// inPath are the octets that an address may have as it stands.
var inPath = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = c != '<' && c != '>'
	}
	return t
}()

func newProbe(l *load.Load, content []byte) (load.Opener, error) {
	if l.Mode == load.Plain || l.TLS != load.NoTLS {
		return nil, fmt.Errorf("client: the probe is only measured in clear, pipelined or chunked")
	}
	return func() (load.Session, error) {
		nc, err := net.Dial("tcp", l.Addr)
		if err != nil {
			return nil, err
		}
		if err := (&blaster{conn: nc}).hello(); err != nil {
			nc.Close()
			return nil, err
		}
		p := &probe{conn: nc, load: l, from: l.Sender(), to: l.Recipients(), content: content}
		p.hook = func(from, to uint8) { p.steps++ }
		return p, nil
	}, nil
}

func (p *probe) Send(n int) error {
	chunked := p.load.Mode == load.Chunked
	if !chunked && n > 0 {
		p.envelope()
		p.data()
		if err := p.turn(0); err != nil {
			return err
		}
	}
	perMessage := len(p.to) + 2
	for left := n; left > 0; {
		if !chunked {
			p.stuffed()
			if left--; left > 0 {
				p.envelope()
				p.data()
			}
			if err := p.turn(0); err != nil {
				return err
			}
			continue
		}
		for ; left > 0 && len(p.owed)/perMessage < p.load.Inflight; left-- {
			p.envelope()
			p.chunk()
		}
		if err := p.turn((p.load.Inflight - 1) * perMessage); err != nil {
			return err
		}
	}
	return p.turn(0)
}

// Close spends a turn on QUIT.
func (p *probe) Close() error {
	return (&blaster{conn: p.conn}).Close()
}

func (p *probe) envelope() {
	p.out = append(p.out, "MAIL FROM:<"...)
	p.path(p.from)
	p.owed = append(p.owed, owed{kind: probeMail})
	p.fate = append(p.fate[:0], make([]uint16, len(p.to))...)
	for i, to := range p.to {
		p.out = append(p.out, "RCPT TO:<"...)
		p.path(to)
		p.owed = append(p.owed, owed{probeRcpt, int32(i)})
	}
}

func (p *probe) path(a string) {
	for i := range len(a) {
		if !inPath[a[i]] {
			p.failed = errors.New("client: octet not allowed in an address")
		}
	}
	p.out = append(append(p.out, a...), ">\r\n"...)
}

func (p *probe) data() {
	p.out = append(p.out, "DATA\r\n"...)
	p.owed = append(p.owed, owed{kind: probeData})
}

func (p *probe) chunk() {
	p.out = append(strconv.AppendInt(append(p.out, "BDAT "...), int64(len(p.content)), 10), " LAST\r\n"...)
	p.out = append(p.out, p.content...)
	p.owed = append(p.owed, owed{kind: probeContent})
}

// stuffed appends the content line by line.
func (p *probe) stuffed() {
	for text := p.content; len(text) > 0; {
		i := bytes.IndexByte(text, '\n')
		if i < 1 || text[i-1] != '\r' || bytes.IndexByte(text[:i-1], '\r') >= 0 {
			p.failed = errors.New("client: CR or LF alone")
			return
		}
		if text[0] == '.' {
			p.out = append(p.out, '.')
		}
		p.out = append(p.out, text[:i+1]...)
		text = text[i+1:]
	}
	p.out = append(p.out, ".\r\n"...)
	p.owed = append(p.owed, owed{kind: probeContent})
}

// turn writes what waits and reads until no more replies than that are owed.
func (p *probe) turn(most int) error {
	now := time.Since(probeEpoch)
	if now-p.armed > time.Second || p.armed == 0 {
		p.armed = now
		p.conn.SetDeadline(probeEpoch.Add(now + 5*time.Minute))
	}
	if len(p.out) > 0 {
		if _, err := p.conn.Write(p.out); err != nil {
			return err
		}
		p.out = p.out[:0]
	}
	for len(p.owed) > most && p.failed == nil {
		n, err := p.conn.Read(p.in[p.have:])
		if err != nil {
			return err
		}
		p.have += n
		p.lines()
	}
	return p.failed
}

// lines takes the replies that are whole.
func (p *probe) lines() {
	text, n := p.in[:p.have], 0
	for {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			break
		}
		if n >= len(p.owed) {
			p.failed = errors.New("client: a reply that is not owed")
			return
		}
		p.reply(text[:i], p.owed[n])
		text = text[i+1:]
		n++
	}
	p.have = copy(p.in[:], text)
	p.owed = p.owed[:copy(p.owed, p.owed[n:])]
}

// reply takes one line, which is a reply of its own here.
func (p *probe) reply(line []byte, to owed) {
	code := 0
	if len(line) < 5 || line[3] != ' ' || line[len(line)-1] != '\r' {
		p.failed = errors.New("client: not a reply")
		return
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			p.failed = errors.New("client: not a reply code")
			return
		}
		code = code*10 + int(c-'0')
	}
	if class := code / 100; class != 2 && class != 3 {
		p.failed = fmt.Errorf("client: refused: %s", line)
		return
	}
	if to.kind == probeRcpt {
		p.fate[to.recipient] = uint16(code)
	}
	next := probeTable[p.state][to.kind]
	p.hook(p.state, next)
	p.state = next
}
