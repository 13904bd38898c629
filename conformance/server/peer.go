package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// peer is one connection to the server.
type peer struct {
	t     *Target
	label string // of the session in the log, "" for the first
	log   *transcript
	nc    net.Conn
	in    *bufio.Reader
	dec   codec.Decoder
	tls   bool

	at     int      // how far it has come in arrivals, -1: not connected
	verbs  []string // of the commands of the last write, as far as they have no reply
	back   *reply   // a reply that was put back
	hello  *reply   // the last one to EHLO
	all    []*reply // every reply of the connection
	ended  bool     // the server has closed
	closed bool     // we have
}

// errMalformed is wrapped by what the server sends and is no reply.
var errMalformed = errors.New("no reply")

// dial connects and, where the target wants it, begins TLS.
func (p *peer) dial(ctx context.Context) error {
	nc, err := p.t.Dial(ctx)
	if err != nil {
		p.closed = true
		return err
	}
	p.use(nc)
	p.note("X", "connected")
	if p.t.Mode == Implicit {
		return p.handshake(ctx, p.t.TLS)
	}
	return nil
}

// use makes nc the connection that is read.
func (p *peer) use(nc net.Conn) {
	p.nc, p.in = nc, bufio.NewReaderSize(nc, 64<<10)
	p.dec.Reset(codec.Limits{Line: 64 << 10}, false)
}

// handshake begins TLS. What the server sent behind its reply, in clear, is lost.
func (p *peer) handshake(ctx context.Context, config *tls.Config) error {
	if n := p.in.Buffered(); n > 0 {
		ahead, _ := p.in.Peek(n)
		if ahead[0] != 0x16 && ahead[0] != 0x15 {
			return fmt.Errorf("in front of the handshake the server sends %q", ahead)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.t.Timeout)
	defer cancel()
	secure := tls.Client(p.nc, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		p.note("TLS", "failed: "+err.Error())
		return fmt.Errorf("TLS: %w", err)
	}
	p.use(secure)
	p.tls = true
	p.note("TLS", tls.VersionName(secure.ConnectionState().Version))
	return nil
}

// write sends octets; the verbs are those of the commands among them.
func (p *peer) write(octets []byte, verbs []string) error {
	p.verbs = verbs
	p.show("C", octets)
	if err := p.nc.SetWriteDeadline(time.Now().Add(p.t.Timeout)); err != nil {
		return err
	}
	_, err := p.nc.Write(octets)
	return err
}

// command sends one line and reads the reply to it. Where nothing can be written any more
// there may still be something to read.
func (p *peer) command(line string) (*reply, error) {
	verb, _, _ := strings.Cut(line, " ")
	_ = p.write([]byte(line+"\r\n"), []string{strings.ToUpper(verb)})
	return p.read()
}

// read returns the next reply; io.EOF stands for the end of the connection, in whatever
// way it comes.
func (p *peer) read() (*reply, error) {
	if r := p.back; r != nil {
		p.back = nil
		return r, nil
	}
	if p.ended {
		return nil, io.EOF
	}
	if err := p.nc.SetReadDeadline(time.Now().Add(p.t.Timeout)); err != nil {
		return nil, err
	}
	r := &reply{tls: p.tls}
	for {
		line, err := p.in.ReadSlice('\n')
		var late net.Error
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, p.malformed(line)
		case errors.As(err, &late) && late.Timeout():
			p.note("X", "silence")
			return nil, fmt.Errorf("no reply within %v", p.t.Timeout)
		default:
			p.ended = true
			p.note("X", "the server has closed")
			if len(line)+len(r.raw) > 0 {
				return nil, p.malformed(line)
			}
			return nil, io.EOF
		}
		p.show("S", line)
		r.raw = append(r.raw, string(line))
		p.dec.Feed(line)
		got, err := p.dec.Next()
		if err != nil {
			return nil, p.malformed(line)
		}
		if got != nil {
			r.Reply = got.Clone()
			break
		}
	}
	if len(p.verbs) > 0 {
		r.verb, p.verbs = p.verbs[0], p.verbs[1:]
	}
	p.all = append(p.all, r)
	return r, nil
}

// calm waits until the server says something, or has said nothing for a while.
func (p *peer) calm() {
	_ = p.nc.SetReadDeadline(time.Now().Add(p.t.Calm))
	_, _ = p.in.Peek(1) // what is wrong shows again when it is read
}

func (p *peer) malformed(line []byte) error {
	p.all = append(p.all, &reply{raw: []string{string(line)}, tls: p.tls})
	return fmt.Errorf("%w: %s", errMalformed, smtpt.Escape(line[:min(len(line), 80)], false))
}

// quit leaves in order and returns how many replies came that no command had asked for.
func (p *peer) quit() int {
	if p.closed || p.nc == nil {
		return 0
	}
	defer p.close()
	extra := 0
	if !p.ended && p.write([]byte("QUIT\r\n"), []string{"QUIT"}) == nil {
		for {
			r, err := p.read()
			if err != nil {
				break
			}
			if r.Code != 221 && r.Code != 421 {
				extra++
			}
		}
	}
	return extra
}

func (p *peer) close() {
	if p.nc != nil && !p.closed {
		p.nc.Close()
	}
	p.closed = true
}

// reset ends the connection by RST, where it can.
func (p *peer) reset() {
	if c, ok := p.nc.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	p.close()
}

// halfClose ends our direction only.
func (p *peer) halfClose() error {
	c, ok := p.nc.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("this connection cannot be closed in one direction")
	}
	return c.CloseWrite()
}

// transcript is what happens on all connections of a play.
type transcript struct {
	begin time.Time
	lines []conformance.Line
}

// note writes down what happens beside octets.
func (p *peer) note(by, what string) {
	p.log.lines = append(p.log.lines, conformance.Line{At: time.Since(p.log.begin), By: by + p.label, TLS: p.tls, Text: what})
}

// show writes down octets, line by line, secrets masked.
func (p *peer) show(by string, octets []byte) {
	for line := range bytes.Lines(octets) {
		p.log.lines = conformance.AppendWire(p.log.lines, time.Since(p.log.begin), by+p.label, p.tls, p.mask(line))
	}
}

// mask hides the password of the target, and what proves it.
func (p *peer) mask(line []byte) []byte {
	if p.t.Password == "" {
		return line
	}
	text, end := bytes.CutSuffix(line, []byte("\r\n"))
	words := strings.Split(string(text), " ")
	for i, w := range words {
		plain, err := base64.StdEncoding.DecodeString(w)
		secret := strings.Contains(w, p.t.Password) && len(p.t.Password) > 2
		if secret || err == nil && (bytes.Contains(plain, []byte(p.t.Password)) || bytes.Contains(plain, []byte(",p="))) {
			words[i] = "***"
		}
	}
	masked := []byte(strings.Join(words, " "))
	if end {
		masked = append(masked, "\r\n"...)
	}
	return masked
}
