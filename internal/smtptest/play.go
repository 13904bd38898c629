package smtptest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// maxLine bounds a line of the other side, and maxShown what a report quotes of it.
const (
	maxLine  = 64 << 10
	maxShown = 200
)

// MismatchError says where a dialogue left its script.
type MismatchError struct {
	Line     int      // of the script, from 1
	Want     string   // the step
	Got      string   // what came instead
	Dialogue []string // the steps that went well, and the ones that were to come
}

// Error shows the dialogue with the mismatch in its place, in the manner of a diff.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("script line %d\n%s", e.Line, strings.Join(e.Dialogue, "\n"))
}

// player plays one side of a script.
type player struct {
	script *Script
	role   kind // kindServer or kindClient
	nc     net.Conn
	tls    *tls.Config
	in     *bufio.Reader
	out    []byte
}

// Serve plays the server over a connection and closes it. The context bounds the
// play; conf is for the step TLS and may be nil. The error is a [*MismatchError]
// when the client left the script.
func (s *Script) Serve(ctx context.Context, nc net.Conn, conf *tls.Config) error {
	return s.play(ctx, nc, conf, kindServer)
}

// Dial plays the client over a connection; see [Script.Serve].
func (s *Script) Dial(ctx context.Context, nc net.Conn, conf *tls.Config) error {
	return s.play(ctx, nc, conf, kindClient)
}

func (s *Script) play(ctx context.Context, nc net.Conn, conf *tls.Config, role kind) error {
	p := &player{script: s, role: role, nc: nc, tls: conf, in: bufio.NewReaderSize(nc, maxLine)}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	defer func() { p.nc.Close() }()
	for i := range s.steps {
		if err := p.step(ctx, i); err != nil {
			if errors.Is(err, errOver) {
				return nil
			}
			return p.report(i, err)
		}
	}
	return p.end()
}

var errOver = errors.New("smtptest: the connection was closed as the script says")

func (p *player) step(ctx context.Context, i int) error {
	st := &p.script.steps[i]
	if st.kind == p.role {
		p.out = append(p.out, st.octets...)
		return nil
	}
	if err := p.flush(); err != nil {
		return err
	}
	switch st.kind {
	case kindServer, kindClient:
		return p.expect(st)
	case kindClose:
		p.nc.Close()
		return errOver
	case kindReset:
		if l, ok := p.nc.(interface{ SetLinger(int) error }); ok {
			l.SetLinger(0) // closing then sends RST, not FIN
		}
		if b, ok := p.nc.(interface{ Break() }); ok {
			b.Break()
		}
		p.nc.Close()
		return errOver
	case kindStall:
		<-ctx.Done()
		return errOver
	case kindEOF:
		if _, err := p.in.Peek(1); err == nil {
			return fmt.Errorf("sent %s", shown(p.rest()))
		}
		return errOver
	case kindTLS:
		return p.secure(ctx)
	}
	return nil
}

func (p *player) flush() error {
	out := p.out
	p.out = p.out[:0]
	if len(out) == 0 {
		return nil
	}
	_, err := p.nc.Write(out)
	return err
}

// expect reads what a step wants: a line, or as many octets as it has.
func (p *player) expect(st *step) error {
	var got []byte
	var err error
	if st.line {
		got, err = p.line()
	} else {
		got = make([]byte, len(st.octets))
		var n int
		n, err = io.ReadFull(p.in, got)
		got = got[:n]
	}
	switch text, isLine := bytes.CutSuffix(got, []byte("\r\n")); {
	case err != nil && len(got) == 0:
		return err
	case err == nil && st.line && isLine && st.match.MatchString(latin1(text)):
		return nil
	case err == nil && !st.line && st.match.MatchString(latin1(got)):
		return nil
	}
	return fmt.Errorf("sent %s", shown(got))
}

// line reads up to the next CRLF.
func (p *player) line() (line []byte, err error) {
	for err == nil && len(line) < maxLine && !bytes.HasSuffix(line, []byte("\r\n")) {
		var part []byte
		part, err = p.in.ReadSlice('\n')
		line = append(line, part...)
	}
	return line, err
}

// secure does the handshake. Octets that came ahead of it are a mismatch.
func (p *player) secure(ctx context.Context) error {
	if p.in.Buffered() > 0 {
		return fmt.Errorf("sent ahead of the handshake: %s", shown(p.rest()))
	}
	if p.tls == nil {
		return errors.New("no TLS configuration was given to the script")
	}
	link := tls.Server(p.nc, p.tls)
	if p.role == kindClient {
		link = tls.Client(p.nc, p.tls)
	}
	if err := link.HandshakeContext(ctx); err != nil {
		return err
	}
	p.nc = link
	p.in.Reset(link)
	return nil
}

// end is the end of the script: everything said is sent, and nothing more may come.
func (p *player) end() error {
	if err := p.flush(); err != nil {
		return p.report(len(p.script.steps), err)
	}
	if p.in.Buffered() > 0 {
		return p.report(len(p.script.steps), fmt.Errorf("sent %s", shown(p.rest())))
	}
	return nil
}

// rest returns what has come in and was not asked for.
func (p *player) rest() []byte {
	rest, _ := p.in.Peek(p.in.Buffered())
	return rest
}

func (p *player) report(at int, err error) error {
	e := &MismatchError{Want: "the end", Got: err.Error()}
	for i, st := range p.script.steps {
		mark := "  "
		if i == at {
			e.Line, e.Want, mark = st.number, st.source, "- "
		}
		e.Dialogue = append(e.Dialogue, mark+st.source)
		if i == at {
			e.Dialogue = append(e.Dialogue, "+ "+e.Got)
		}
	}
	if at == len(p.script.steps) {
		e.Dialogue = append(e.Dialogue, "- the end", "+ "+e.Got)
	}
	return e
}

func shown(p []byte) string {
	if len(p) > maxShown {
		return fmt.Sprintf("%q and %d octets more", p[:maxShown], len(p)-maxShown)
	}
	return fmt.Sprintf("%q", p)
}
