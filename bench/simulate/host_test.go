package simulate

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// visit is one connection to a server.
type visit struct {
	*host
	nc       net.Conn
	in       *bufio.Reader
	out      strings.Builder
	messages int
	taken    bool // a recipient of this message was taken
	to       string
}

// serve speaks to one client. What TLS would cost is three round trips before the first
// reply to EHLO.
func (h *host) serve(nc net.Conn) {
	h.world.connections(1)
	defer h.world.connections(-1)
	defer nc.Close()
	v := &visit{host: h, nc: nc, in: bufio.NewReaderSize(nc, 512)}
	if !h.enter() {
		h.world.count(func(c *Counts) { c.TooMany++ })
		v.say("421 4.7.0 too many connections")
		v.flush()
		return
	}
	defer h.leave()
	v.say("220 mx.example ESMTP")
	for {
		line, err := v.line()
		if err != nil || !v.command(line) {
			v.flush()
			return
		}
	}
}

func (h *host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.maxConns > 0 && h.open >= h.maxConns {
		return false
	}
	h.open++
	return true
}

func (h *host) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open--
}

func (v *visit) say(reply string) { v.out.WriteString(reply + "\r\n") }

func (v *visit) flush() {
	io.WriteString(v.nc, v.out.String()) // a client that has gone is noticed by the next read
	v.out.Reset()
}

// line is the next command. What was answered goes out before it waits.
func (v *visit) line() (string, error) {
	if v.in.Buffered() == 0 {
		v.flush()
	}
	v.nc.SetReadDeadline(time.Now().Add(v.patience)) // it cannot fail: the end is ours
	line, err := v.in.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// command answers one command; false: the session is over.
func (v *visit) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "EHLO":
		time.Sleep(3 * v.rtt)
		v.say("250-mx.example")
		if v.pipelining {
			v.say("250-PIPELINING")
		}
		if v.chunking {
			v.say("250-CHUNKING")
		}
		v.say("250 ENHANCEDSTATUSCODES")
	case "MAIL":
		if v.maxMessages > 0 && v.messages >= v.maxMessages {
			v.world.count(func(c *Counts) { c.Used++ })
			v.say("421 4.7.0 that is enough for one connection")
			return false
		}
		v.taken = false
		v.say("250 2.1.0 ok")
	case "RCPT":
		if v.to = rest; v.putOff(rest) {
			v.world.count(func(c *Counts) { c.Greylisted++ })
			v.say("451 4.7.1 come back in five minutes")
			break
		}
		v.taken = true
		v.say("250 2.1.5 ok")
	case "DATA":
		if !v.taken {
			v.say("503 5.5.1 nobody to send it to")
			break
		}
		v.say("354 go on")
		for {
			text, err := v.line()
			if err != nil {
				return false
			}
			if text == "." {
				return v.end()
			}
		}
	case "BDAT":
		var n int64
		fmt.Sscan(rest, &n) // ours are well-formed
		v.nc.SetReadDeadline(time.Now().Add(v.patience))
		if _, err := io.CopyN(io.Discard, v.in, n); err != nil {
			return false
		}
		if !v.taken {
			v.say("503 5.5.1 nobody to send it to")
			break
		}
		return v.end()
	case "QUIT":
		v.say("221 2.0.0 bye")
		return false
	default:
		v.say("250 2.0.0 ok")
	}
	return true
}

// end thinks about a message and takes it.
func (v *visit) end() bool {
	v.flush()
	time.Sleep(v.think())
	v.messages++
	v.mu.Lock()
	if v.greylists && !v.seen[v.to].IsZero() {
		v.known++
	}
	v.mu.Unlock()
	v.world.count(func(c *Counts) { c.Accepted++ })
	v.say("250 2.0.0 taken")
	return true
}

// think is how long a message takes: the n-th always the same.
func (h *host) think() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	r := rand.New(rand.NewPCG(h.seed, h.n))
	return time.Duration(float64(h.work) * math.Exp(0.4*r.NormFloat64()))
}

// putOff reports whether a recipient has to be asked for again later.
func (h *host) putOff(to string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.greylists || h.known >= greylistTrusts {
		return false
	}
	first, ok := h.seen[to]
	if !ok {
		h.seen[to] = time.Now()
	}
	return !ok || time.Since(first) < greylistFor
}
