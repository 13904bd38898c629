package live

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// conversation is one connection of a client, and the server's side of it.
type conversation struct {
	host *host
	plan *plan
	raw  net.Conn
	nc   net.Conn // raw, or the TLS inside it
	by   *conformance.Bystander

	in    []byte // of the client, not yet taken
	early int    // how much of in was there before the last answer
	eof   bool   // the client will say no more, or cannot

	used     []bool // exchanges that have been played
	furthest int    // the last of them, by the script's order; -1: none
	hello    []byte // what answered the last EHLO
	auth     *challenge

	contents []content // as they came
	lines    []string  // the commands
	spoke    time.Time // when the server spoke last
	injected bool      // octets of the server came between 220 and the handshake
	ahead    bool      // the client has taken such octets for a reply
	inside   int       // commands that were answered inside TLS
	badCert  bool      // the server's certificate is not to be trusted
	scripted bool      // the server has done something to the connection
	stalled  bool      // the server keeps silent
	idle     bool      // it is the client's turn
	noQuit   bool      // the client left without QUIT, and nothing was amiss
}

// content is a message, with the line that ends it, or a chunk.
type content struct {
	octets      []byte
	chunk, last bool
}

// challenge is a SASL exchange whose answers are not the script's.
type challenge struct {
	asks  []string // what is said before the end, in base64
	final *exchange
}

var errOver = errors.New("the connection is over")

// grace is how long the server listens for what a client should not have sent yet. Nothing
// depends on it but how much of that is seen.
const grace = 2 * time.Millisecond

func (v *conversation) run(ctx context.Context) {
	defer v.raw.Close()
	stop := context.AfterFunc(ctx, func() { v.raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := v.dialogue(ctx)
	v.idle = v.idle && ctx.Err() != nil
	if !errors.Is(err, errOver) && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		v.host.note("X", "%v", err)
	}
}

func (v *conversation) dialogue(ctx context.Context) error {
	if v.plan.delay > 0 {
		v.listen(ctx, v.plan.delay)
	}
	for _, a := range v.plan.dial {
		if err := v.act(ctx, a); err != nil {
			return err
		}
	}
	if err := v.acts(ctx, v.plan.greeting); err != nil {
		return err
	}
	v.by.Answered()
	for {
		err := v.turn(ctx)
		if err != nil {
			return err
		}
	}
}

// turn takes what the client says next and answers it.
func (v *conversation) turn(ctx context.Context) error {
	switch {
	case !v.by.InContent():
	case v.abandons(ctx):
		v.by.Abandon()
	default:
		return v.takeContent(ctx)
	}
	line, early, err := v.line(ctx)
	if err != nil {
		v.left(ctx, err)
		return err
	}
	text := strings.TrimRight(string(line), "\r\n")
	v.lines, v.stalled = append(v.lines, text), false
	verb, arg, _ := strings.Cut(text, " ")
	verb = strings.ToUpper(verb)
	ahead := v.deceived(verb, early)
	v.by.Client(line, early && !ahead)
	if v.auth != nil || v.by.Challenged() {
		verb, arg = "334", ""
		if text == "*" {
			verb = "*"
		}
	}
	if verb == "BDAT" {
		if err := v.chunk(ctx, arg); err != nil {
			return err
		}
	}
	if v.by.Secure() {
		defer func() { v.inside++ }()
	}
	err = v.answer(ctx, verb, arg)
	v.settle(err)
	return err
}

// settle ends the answer to a command. Where none is complete the client may wait for it.
func (v *conversation) settle(err error) {
	v.stalled = v.stalled || err == nil && v.by.Waiting()
	v.by.Answered()
}

// abandons reports whether the client takes its leave in the place of content.
func (v *conversation) abandons(ctx context.Context) bool {
	v.idle = true
	said := func() string { return strings.ToUpper(string(v.in)) }
	for leaves(said()) && len(v.in) < len("QUIT\r\n") && !v.eof && ctx.Err() == nil {
		v.read(ctx, time.Time{})
	}
	if len(v.in) < len("QUIT\r\n") || !leaves(said()) {
		return false
	}
	early := v.early > 0
	v.listen(ctx, 2*fraction)
	return early || leaves(said())
}

// leaves reports whether a text is a command that leaves content unsent, or may become one.
func leaves(text string) bool {
	return strings.HasPrefix("QUIT\r\n", text) || strings.HasPrefix("RSET\r\n", text)
}

// deceived looks at what only the server can know of, and reports whether the client
// takes octets from before the handshake for a reply: from there on it is ahead of the
// server without knowing.
func (v *conversation) deceived(verb string, early bool) bool {
	switch verb {
	case "MAIL", "AUTH":
		if v.badCert {
			v.by.Note("C-8314-003", verb+" inside TLS with a certificate that does not verify")
			v.badCert = false
		}
	}
	if early && v.injected && v.inside == 1 {
		v.by.Note("C-3207-007", verb+" is sent before the server has said anything inside TLS: octets from before the handshake were taken for a reply")
		v.injected, v.ahead = false, true
	}
	return v.ahead
}

// left judges how the client has closed the connection.
func (v *conversation) left(ctx context.Context, err error) {
	v.noQuit = errors.Is(err, io.EOF) && ctx.Err() == nil && !v.by.Quit() && v.by.Ended() == "" && !v.by.Odd() && !v.by.Partial() && !v.scripted && !v.stalled &&
		time.Since(v.spoke) < v.host.patience/2 // otherwise it was waiting for something
	if v.noQuit || errors.Is(err, io.EOF) {
		v.host.note("X", "client-fin")
	}
}

// listen reads for so long, and longer never.
func (v *conversation) listen(ctx context.Context, d time.Duration) {
	end := time.Now().Add(d)
	for !v.eof && ctx.Err() == nil && time.Now().Before(end) && len(v.in) < most {
		v.read(ctx, end)
	}
}

// most bounds what is kept of a client that is not listened to.
const most = 64 << 20

// read reads once, until the deadline; zero is none but that of the play.
func (v *conversation) read(ctx context.Context, deadline time.Time) {
	buf := make([]byte, 32<<10)
	v.nc.SetReadDeadline(deadline)
	if ctx.Err() != nil {
		v.eof = true
		return
	}
	n, err := v.nc.Read(buf)
	if n > 0 {
		v.host.octets("C", v.by.Secure(), buf[:n])
		v.in = append(v.in, buf[:n]...)
	}
	var late net.Error
	if err != nil && (ctx.Err() != nil || !errors.As(err, &late) || !late.Timeout()) {
		v.eof = true
	}
}

// take removes octets from what has come, and says whether they were there before the
// last answer.
func (v *conversation) take(n int) (p []byte, early bool) {
	p, early = v.in[:n:n], v.early > 0
	v.in, v.early = v.in[n:], max(0, v.early-n)
	return p, early
}

// line takes a line, by whatever LF ends it.
func (v *conversation) line(ctx context.Context) (line []byte, early bool, err error) {
	v.idle = true
	for {
		if i := bytes.IndexByte(v.in, '\n'); i >= 0 {
			v.idle = false
			line, early = v.take(i + 1)
			return line, early, nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, false, ctx.Err()
		case v.eof:
			return nil, false, io.EOF
		case len(v.in) > most:
			return nil, false, errors.New("a line without end")
		}
		v.read(ctx, time.Time{})
	}
}

// takeContent takes what follows a 354, and answers its end.
func (v *conversation) takeContent(ctx context.Context) error {
	var all []byte
	v.idle = true
	for {
		if len(v.in) > 0 {
			n := min(len(v.in), v.ends(all))
			p, early := v.take(n)
			v.by.Client(p, early)
			all = append(all, p...)
			if !v.by.InContent() {
				break
			}
			continue
		}
		switch {
		case v.eof:
			v.left(ctx, io.EOF)
			return io.EOF
		case len(all) > most:
			return errors.New("content without end")
		}
		if lax(all) { // a line of "." by other line ends: a client that means it says no more
			v.listen(ctx, 4*fraction)
			if len(v.in) == 0 && !v.eof {
				v.by.Note("C-5321-066", "the content ends by other octets than CR LF, a dot, CR LF")
				v.by.Client([]byte("\r\n.\r\n"), false)
				break
			}
			continue
		}
		v.read(ctx, time.Time{})
	}
	v.idle = false
	v.contents = append(v.contents, content{all, false, true})
	err := v.answer(ctx, ".", "")
	v.settle(err)
	return err
}

// ends returns how many octets of in belong to the content that began with all.
func (v *conversation) ends(all []byte) int {
	tail := all[max(0, len(all)-4):]
	both := append(bytes.Clone(tail), v.in...)
	if len(all) < 3 {
		if at := append(bytes.Clone(all), v.in...); bytes.HasPrefix(at, []byte(".\r\n")) {
			return 3 - len(all)
		}
	}
	for from := 0; ; {
		i := bytes.Index(both[from:], []byte("\r\n.\r\n"))
		if i < 0 {
			return len(v.in)
		}
		if n := from + i + 5 - len(tail); n > 0 {
			return n
		}
		from += i + 1
	}
}

// lax reports whether a lax server would take this for whole content.
func lax(all []byte) bool {
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r.\r"} {
		if bytes.HasSuffix(all, []byte(end)) && !bytes.HasSuffix(all, []byte("\r\n.\r\n")) {
			return true
		}
	}
	return false
}

// chunk takes what follows a BDAT line.
func (v *conversation) chunk(ctx context.Context, arg string) error {
	size, last, _ := strings.Cut(strings.ToUpper(arg), " ")
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > most {
		return nil
	}
	v.idle = true
	for len(v.in) < n && !v.eof {
		v.read(ctx, time.Time{})
	}
	v.idle = false
	if len(v.in) < n {
		return io.EOF
	}
	p, early := v.take(n)
	v.by.Client(p, early)
	v.contents = append(v.contents, content{p, true, last == "LAST"})
	return nil
}

// acts does what the script says, and lets nothing it does be mistaken for haste of the
// client's.
func (v *conversation) acts(ctx context.Context, acts []act) error {
	wait := grace
	if v.injected && v.inside == 0 {
		wait = 2 * fraction
	}
	v.listen(ctx, wait)
	v.early = len(v.in)
	for _, a := range acts {
		if err := v.act(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (v *conversation) act(ctx context.Context, a act) error {
	switch a.kind {
	case say:
		from := 0
		for _, to := range a.cuts {
			if err := v.say(a.octets[from:to]); err != nil {
				return err
			}
			from = to
			v.listen(ctx, max(time.Millisecond/2, min(a.pause, v.host.patience/4/time.Duration(len(a.cuts)))))
			v.early = len(v.in)
		}
		return v.say(a.octets[from:])
	case wait:
		v.listen(ctx, a.pause)
		v.early = len(v.in)
	case dribble:
		return v.dribble(ctx, a)
	case stall:
		v.stalled = true
		v.host.note("X", "stall")
		v.drain(ctx)
		return errOver
	case secure:
		return v.handshake(ctx, a.cert)
	case finish:
		v.scripted = true
		v.host.note("X", "fin")
		if half, ok := v.raw.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		v.drain(ctx)
		return errOver
	case reset:
		v.scripted = true
		v.host.note("X", "rst")
		if l, ok := v.raw.(interface{ SetLinger(int) error }); ok {
			l.SetLinger(0)
		}
		v.raw.Close()
		return errOver
	}
	return nil
}

// drain reads until the client closes the connection.
func (v *conversation) drain(ctx context.Context) {
	for !v.eof && ctx.Err() == nil {
		v.read(ctx, time.Time{})
		v.in = v.in[:0]
	}
	if ctx.Err() == nil {
		v.host.note("X", "client-fin")
	}
}

func (v *conversation) say(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	v.by.Server(p)
	v.host.octets("S", v.by.Secure(), p)
	_, err := v.nc.Write(p)
	v.spoke = time.Now()
	if err != nil {
		v.eof = true
		return errOver
	}
	return nil
}

// dribble says a reply so slowly that no limit for the whole of it can hold, and never to
// its end; each pause for itself is shorter than the client's patience.
func (v *conversation) dribble(ctx context.Context, a act) error {
	const times = 4 // the patience, for the whole
	v.stalled = true
	end := time.Now().Add(times * v.host.patience)
	pause := min(v.host.patience/3, times*v.host.patience/time.Duration(len(a.octets)))
	for i := 0; i < len(a.octets)-2 && !v.eof && ctx.Err() == nil; i++ {
		if err := v.say(a.octets[i : i+1]); err != nil {
			return err
		}
		v.listen(ctx, pause)
	}
	for !v.eof && ctx.Err() == nil && time.Now().Before(end) {
		v.read(ctx, end)
	}
	if !v.eof && ctx.Err() == nil {
		v.stalled = false // from here on it has nothing to wait for
		v.scripted = true
		v.by.Note("C-5321-091", "the client waits for a reply that comes in drops, for four times as long as it was told to wait")
	}
	return errOver
}

// handshake makes TLS of the connection.
func (v *conversation) handshake(ctx context.Context, cert string) error {
	v.host.note("TLS", "server cert=%s", cert)
	for len(v.in) == 0 && !v.eof {
		v.read(ctx, time.Time{})
	}
	if len(v.in) == 0 {
		return io.EOF
	}
	if v.in[0] != 0x16 {
		if i := bytes.IndexByte(v.in, '\n'); !v.injected && !strings.HasPrefix(strings.ToUpper(string(v.in[:max(i, 0)])), "QUIT") {
			v.by.Note("C-3207-002", "the octets behind the 220 to STARTTLS are no handshake")
		}
		return errOver
	}
	if cert == "fail" {
		v.scripted = true
		v.raw.Write([]byte{0x15, 3, 1, 0, 2, 2, 40}) // an alert: handshake failure
		v.drain(ctx)
		return errOver
	}
	c := tls.Server(&replayed{v.raw, v.in}, v.host.tls(cert))
	v.in, v.early = nil, 0
	v.raw.SetReadDeadline(time.Time{})
	if err := c.HandshakeContext(ctx); err != nil {
		v.scripted = true
		v.host.note("X", "%v", err)
		return errOver
	}
	v.nc, v.badCert = c, cert != "good"
	v.by.Secured()
	v.hello = withoutTLS(v.hello)
	return nil
}

// replayed is a connection of which some octets were read already.
type replayed struct {
	net.Conn
	before []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.before) > 0 {
		n := copy(p, r.before)
		r.before = r.before[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}
