package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/conformance/smtpt"
	"github.com/parley-mail/parley/session"
)

// steps plays steps in order, until something is wrong or the connection is gone by
// what was done to the server's octets.
func (p *play) steps(steps []smtpt.Step) {
	for i := range steps {
		s := &steps[i]
		if p.failure != nil || p.over && !p.v.Sound() {
			return
		}
		if p.holds(s) {
			p.step(s)
		}
	}
}

// holds reports whether the conditions of a step are met.
func (p *play) holds(s *smtpt.Step) bool {
	for _, c := range s.Conds {
		name := strings.TrimPrefix(c, "!")
		facts := map[string]bool{
			"strict": p.v.Profile == Strict, "lenient": p.v.Profile == Lenient, "tls": p.mon.secure,
			"looplab": p.v.Looplab, "compiled": !p.v.Looplab, "virtual": true,
		}
		if facts[name] == strings.HasPrefix(c, "!") {
			return false
		}
	}
	return true
}

func (p *play) step(s *smtpt.Step) {
	if s.Kind != smtpt.Server && s.Kind != smtpt.Comment && s.Kind != smtpt.Blank {
		p.flush()
		if p.over && !p.v.Sound() {
			return
		}
	}
	switch s.Kind {
	case smtpt.Call:
		p.call(s)
	case smtpt.Server:
		p.server(s)
	case smtpt.Client:
		p.expect(s)
	case smtpt.Content:
		p.content(s)
	case smtpt.Group:
		p.group(s)
	case smtpt.Quiet:
		p.account(s)
		n := p.mon.spoken
		p.advance(s.Dur)
		if p.mon.spoken > n && p.v.Sound() {
			p.fail(s.Pos, "silence", p.pending(), "the client speaks within %v", s.Dur)
		}
	case smtpt.Advance:
		p.account(s)
		p.advance(s.Dur)
	case smtpt.Conn:
		p.conn(s)
	case smtpt.TLS:
		p.tls(s)
	case smtpt.Event:
		p.event(s)
	case smtpt.Path:
		p.path(s)
	case smtpt.Alt:
		p.alt(s)
	}
}

// account demands that the script has accounted for everything the client has said.
func (p *play) account(s *smtpt.Step) {
	if len(p.out) > 0 && p.v.Sound() {
		p.fail(s.Pos, "nothing more from the client", p.pending(), "the client says more than the script")
	}
	if !p.v.Sound() {
		p.out, p.writes = p.out[:0], p.writes[:0]
	}
}

// pending is what the client has said and the script has not accounted for.
func (p *play) pending() string {
	return "C| " + smtpt.Escape(p.out[:min(len(p.out), 120)], false)
}

// server lets the server say a line, or what replaces it. Lines of one turn are
// collected and delivered together when the client has its turn.
func (p *play) server(s *smtpt.Step) {
	if len(p.turn) == 0 && !p.free {
		p.account(s)
	}
	octets := p.prog.octets[s]
	replaced := p.v.Way == Replace && p.lines == p.v.N
	p.lines++
	if v, ok := s.Get("at"); ok {
		p.flush()
		d, _ := smtpt.Delay(v)
		p.advance(d)
	}
	if replaced {
		p.flush()
		switch p.v.With {
		case Silence:
			p.now = max(p.now, p.deadline)
			p.expire()
			return
		case Cancel:
			p.abort()
			return
		case Broken:
			p.lost(errReset)
			return
		case Stalled:
			p.stall(octets)
			return
		}
		octets = spoiled[p.v.With]
	}
	gap, timed := s.Get("gap")
	if v, ok := s.Get("split"); ok && !replaced {
		each, at, _ := smtpt.Splits(v)
		if each {
			for i := 1; i < len(octets); i++ {
				at = append(at, i)
			}
		}
		from := 0
		for _, to := range at {
			if to >= len(octets) {
				break
			}
			p.say(octets[from:to])
			from = to
			if timed {
				p.flush()
				d, _ := smtpt.Delay(gap)
				p.advance(d)
			}
		}
		octets = octets[from:]
	}
	p.say(octets)
}

// stall says something, and does not take what the client answers.
func (p *play) stall(octets []byte) {
	p.rec.line("X: zerowindow")
	p.stalled = true
	p.deliver(octets)
	if p.eng.Wants().Has(session.WantBody) {
		p.body()
	}
	p.expire()
}

func (p *play) say(octets []byte) {
	p.turn = append(p.turn, octets...)
	p.borders = append(p.borders, len(p.turn))
}

// expect matches what the client has said against a pattern.
func (p *play) expect(s *smtpt.Step) {
	if !p.v.Sound() {
		return
	}
	if n := p.match(s); n >= 0 {
		p.took(n)
		return
	}
	got := p.pending()
	if len(p.out) == 0 {
		got = fmt.Sprintf("nothing (state %v)", p.eng.State())
		if err := p.eng.Err(); err != nil {
			got = fmt.Sprintf("nothing (state %v, %v)", p.eng.State(), err)
		}
	}
	want := "C: " + s.Text
	if s.Raw {
		want = "C| " + s.Text
	}
	p.fail(s.Pos, want, got, saysElse)
}

const saysElse = "the client says something else"

// match returns how many octets of what the client has said the step takes, or -1.
func (p *play) match(s *smtpt.Step) int {
	if s.Raw {
		if octets, ok := s.Pattern.Fill(p.prog.vars); ok {
			if bytes.HasPrefix(p.out, octets) {
				return len(octets)
			}
			return -1
		}
		if s.Pattern.Match(p.out, p.prog.vars) {
			return len(p.out)
		}
		return -1
	}
	i := bytes.IndexByte(p.out, '\n')
	if i < 0 || !s.Pattern.Match(p.out[:i+1], p.prog.vars) {
		return -1
	}
	p.chunk(p.out[:i+1])
	return i + 1
}

// chunk notes that content follows a BDAT line.
func (p *play) chunk(line []byte) {
	p.bdat = -1
	if arg, ok := bytes.CutPrefix(line, []byte("BDAT ")); ok {
		size, _, _ := strings.Cut(strings.TrimSpace(string(arg)), " ")
		if n, err := strconv.Atoi(size); err == nil {
			p.bdat = n
		}
	}
}

func (p *play) took(n int) {
	p.out = p.out[:copy(p.out, p.out[n:])]
	writes := p.writes[:0]
	for _, w := range p.writes {
		if w > n {
			writes = append(writes, w-n)
		}
	}
	p.writes = writes
}

// content matches message content: a chunk behind a BDAT line, otherwise everything up
// to and with the line ".".
func (p *play) content(s *smtpt.Step) {
	if !p.v.Sound() {
		return
	}
	n := p.bdat
	if n < 0 {
		n = dataEnd(p.out)
	}
	if n < 0 || n > len(p.out) {
		p.fail(s.Pos, "C<< "+s.Text, p.pending(), "the client has not sent whole content")
		return
	}
	got := p.out[:n]
	isData := p.bdat < 0
	var want []byte
	name, unstuffed := strings.CutPrefix(s.Text, "unstuffed=")
	switch {
	case s.Text == "any":
		want = got
	case s.Text == "lines":
		for _, line := range s.Lines {
			octets, _, _ := smtpt.Unescape(line)
			want = append(append(want, octets...), '\r', '\n')
		}
	default:
		file, _ := p.c.Script.File(name[1:])
		want = crlf(file)
	}
	if isData && s.Text != "any" {
		if unstuffed {
			var u codec.Unstuffer
			got, _ = u.Append(nil, got)
		} else {
			want = append(bytes.Clone(want), ".\r\n"...)
		}
	}
	if !bytes.Equal(got, want) {
		i := 0
		for i < len(got) && i < len(want) && got[i] == want[i] {
			i++
		}
		p.fail(s.Pos, smtpt.Escape(want[i:min(len(want), i+60)], false), smtpt.Escape(got[i:min(len(got), i+60)], false),
			"the content differs from octet %d on", i)
		return
	}
	p.took(n)
	p.bdat = -1
}

// dataEnd returns how many octets content is long with the line that ends it, or -1.
func dataEnd(out []byte) int {
	if bytes.HasPrefix(out, []byte(".\r\n")) {
		return 3
	}
	if i := bytes.Index(out, []byte("\r\n.\r\n")); i >= 0 {
		return i + 5
	}
	return -1
}

// group plays lines that the client must have sent before the server answers any. In a
// free one only the order on each side counts.
func (p *play) group(s *smtpt.Step) {
	ends, total := slices.Clone(p.writes), len(p.out)
	free := p.free
	p.free = s.Text == "free"
	p.steps(s.Steps)
	p.free = free
	if s.Text != "one-write" || !p.v.Sound() || p.failure != nil {
		return
	}
	used := total - len(p.out)
	if slices.ContainsFunc(ends, func(at int) bool { return at < used }) {
		p.fail(s.Pos, "one write", "", "the group was sent in several writes")
	}
}

// conn plays an event of the connection.
func (p *play) conn(s *smtpt.Step) {
	word := s.Attrs[0].Key
	if p.over && word != "client-fin" && word != "accept-delay" {
		return
	}
	if word != "client-fin" && word != "zerowindow" {
		p.account(s)
	}
	switch word {
	case "fin", "halfclose":
		p.lost(io.EOF)
	case "rst":
		p.lost(errReset)
	case "stall":
		p.now = max(p.now, p.deadline)
		p.expire()
	case "zerowindow":
		p.stalled = true
	case "refuse":
		p.lost(&session.Error{Kind: session.ErrTransport, Detail: "connection refused"})
	case "accept-delay":
		if len(s.Attrs) > 1 {
			d, _ := smtpt.Delay(s.Attrs[1].Key)
			p.advance(d)
		}
		p.connected()
	case "client-fin":
		if !p.over && p.v.Sound() {
			p.fail(s.Pos, "X: client-fin", fmt.Sprintf("state %v", p.eng.State()), "the client does not close the connection")
		}
	}
}

var errAlert = errors.New("tls: handshake failure")

// tls plays a handshake: at the beginning of a connection, or where STARTTLS wants it.
func (p *play) tls(s *smtpt.Step) {
	p.account(s)
	word := s.Attrs[0].Key
	implicit := p.prog.settings.implicit && !p.mon.greeted
	switch {
	case word == "no-close-notify":
		p.lost(io.EOF)
		return
	case implicit:
	case !p.eng.Wants().Has(session.WantTLS):
		if p.v.Sound() {
			p.fail(s.Pos, "a TLS handshake", fmt.Sprintf("state %v", p.eng.State()), "the client does not begin TLS")
		}
		return
	}
	link := p.link()
	if sni, ok := s.Get("sni"); ok && sni != link.Host {
		p.fail(s.Pos, "sni="+sni, "sni="+link.Host, "another server name")
	}
	cert, _ := s.Get("cert")
	bad := cert != "" && cert != "good"
	if word == "fail" || bad && !p.prog.settings.insecure {
		cause := errAlert
		if bad {
			cause = errors.New("tls: certificate is " + cert)
		}
		p.trace.cell(ClassTLSFailed)
		p.lost(&session.Error{Kind: session.ErrTLS, Detail: "TLS handshake failed", Err: cause})
		return
	}
	link.Verified = !bad
	p.trace.cell(ClassTLSDone)
	p.verified = link.Verified
	p.mon.secured()
	if p.keep {
		p.record("TLS", "server")
	}
	if implicit {
		p.eng.Connected(link)
	} else {
		p.eng.Secured(link)
	}
	p.pump()
}

// alt takes the first branch whose first step fits what has happened.
func (p *play) alt(s *smtpt.Step) {
	if !p.v.Sound() {
		return
	}
	for i := range s.Branches {
		b := &s.Branches[i]
		if p.fits(b.Steps) {
			if b.As != "" {
				p.verdict = b.As
			}
			p.steps(b.Steps)
			return
		}
	}
	p.fail(s.Pos, "one of the branches", p.pending(), "no branch of the alternative fits")
}

// fits reports whether the first step that can be held against what has happened does.
func (p *play) fits(steps []smtpt.Step) bool {
	for i := range steps {
		s := &steps[i]
		if !p.holds(s) {
			return false
		}
		switch s.Kind {
		case smtpt.Comment, smtpt.Blank:
			continue
		case smtpt.Client:
			return p.match(s) >= 0
		case smtpt.Group:
			return p.fits(s.Steps)
		case smtpt.Content:
			return len(p.out) > 0
		case smtpt.Conn:
			return s.Attrs[0].Key != "client-fin" || p.over && len(p.out) == 0
		case smtpt.TLS:
			return p.eng.Wants().Has(session.WantTLS)
		case smtpt.Event:
			return p.findEvent(s) >= 0
		case smtpt.Path:
			return p.taken(s.Text, p.passed) >= 0
		default: // the server goes on: the client must be waiting
			return len(p.out) == 0
		}
	}
	return true
}

// call does what the caller of the client does.
func (p *play) call(s *smtpt.Step) {
	p.trace.cell(ClassCaller)
	switch word := s.Attrs[0].Key; word {
	case "send":
		m := p.prog.mails[p.called]
		p.called++
		l := &letter{mail: m, tx: m.tx, err: m.err}
		p.mails = append(p.mails, l)
		if l.stream == 0 {
			l.tx.Content = l.content
		}
		if l.err == nil {
			l.err = p.eng.Begin(&l.tx)
		}
	case "open":
	case "quit":
		p.eng.Quit()
	case "stay":
	case "abort":
		p.abort()
	default:
		r := readRequest(s)
		p.requests = append(p.requests, r)
		if err := p.eng.Do(r); err != nil && p.v.Sound() {
			p.refusedRequests = append(p.refusedRequests, err)
		}
	}
	if s == p.prog.lastCall {
		if word := s.Attrs[0].Key; word != "open" && word != "stay" && word != "quit" && word != "abort" {
			p.eng.Quit()
		}
	}
	p.pump()
}
