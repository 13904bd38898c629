package transport

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Wire is the connection below TLS, watched. During the handshake it reads along
// to learn what engines do not tell (the group agreed on, what a peer said that
// does not speak TLS) and, for as long as a record log is wanted, it reports the
// outline of every record. Otherwise it is a pass-through after the handshake.
type Wire struct {
	net.Conn
	watch atomic.Pointer[watch] // nil: nobody is interested any more
}

// watch is what is kept of what passes.
type watch struct {
	mu    sync.Mutex // guards what follows: reads and writes may run side by side
	log   func(TLSRecord)
	in    *recordReader
	out   *recordReader // nil: nobody is interested any more
	first []byte        // what the peer sent first
	hello serverHello

	guard   int // records without content allowed in a row; 0: not counted
	records int // whole records that came since the TLS layer last asked
}

// firstOctets is how much is kept of what the peer sent first.
const firstOctets = 128

func newWire(nc net.Conn, log func(TLSRecord)) *Wire {
	w := &Wire{Conn: nc}
	w.watch.Store(&watch{log: log, in: &recordReader{keep: messageOctets}, out: &recordReader{}})
	return w
}

// NetConn returns the connection that is watched.
func (w *Wire) NetConn() net.Conn { return w.Conn }

func (w *Wire) Read(p []byte) (int, error) {
	see := w.watch.Load()
	if see != nil {
		if err := see.useless(); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(p)
	if n > 0 && see != nil {
		see.pass(p[:n], false)
	}
	return n, err
}

func (w *Wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if see := w.watch.Load(); n > 0 && see != nil {
		see.pass(p[:n], true)
	}
	return n, err
}

// finish ends the watching, and returns what was seen. Its memory is given back, unless there
// is a log to keep or something to be guarded.
func (w *Wire) finish() *watch {
	see := w.watch.Load()
	see.mu.Lock()
	defer see.mu.Unlock()
	switch {
	case see.log != nil:
	case see.guard > 0:
		see.in.msg, see.out = nil, nil
		if see.hello.version != 0 { // it was TLS
			see.first = nil
		}
	default:
		w.watch.Store(nil)
	}
	return see
}

// Guard bounds how many records without content the peer may send in a row, for
// engines that do not bound it themselves. The engine calls it before [Handshake.Done],
// and [Wire.Advance] before each read of content.
func (w *Wire) Guard(records int) {
	if see := w.watch.Load(); see != nil {
		see.mu.Lock()
		defer see.mu.Unlock()
		see.guard = records
	}
}

// Advance says that the TLS layer is asked for content again.
func (w *Wire) Advance() {
	if see := w.watch.Load(); see != nil {
		see.mu.Lock()
		defer see.mu.Unlock()
		see.records = 0
	}
}

// pass looks at what was read or sent.
func (w *watch) pass(p []byte, sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.in
	if sent {
		r = w.out
	}
	if r == nil {
		return
	}
	if room := firstOctets - len(w.first); !sent && room > 0 {
		w.first = append(w.first, p[:min(room, len(p))]...)
	}
	r.feed(p, func(rec TLSRecord) {
		rec.Sent = sent
		if !sent {
			w.records++
		}
		if w.log != nil {
			w.log(rec)
		}
	}, func(kind uint8, body []byte) {
		if !sent {
			w.hello.message(kind, body)
		}
	})
}

// useless is called when the TLS layer wants to read on: it has then used up every
// whole record that came before, and found no content in them.
func (w *watch) useless() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.guard > 0 && w.records > w.guard {
		return &TLSError{Reason: ReasonUseless, Err: fmt.Errorf("%d in a row", w.records)}
	}
	return nil
}

// notTLS returns what the peer said if that cannot be the beginning of a record.
func (w *watch) notTLS() ([]byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.first) == 0 {
		return nil, false
	}
	plausible := w.first[0] >= recordChangeCipherSpec && w.first[0] <= recordApplicationData &&
		(len(w.first) < 2 || w.first[1] == 3)
	return w.first, !plausible
}

// agreed returns what the server's messages in clear told.
func (w *watch) agreed() serverHello {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hello
}

// serverHello is what the server's messages in clear tell.
type serverHello struct {
	version uint16
	group   Group
}

// message reads ServerHello (RFC 8446 §4.1.3) and ServerKeyExchange (RFC 8422
// §5.4). What does not parse is left to the engine to refuse.
func (h *serverHello) message(kind uint8, body []byte) {
	switch kind {
	case messageServerHello:
		h.serverHello(body)
	case messageServerKeyExchange:
		const namedCurve = 3
		if len(body) >= 3 && body[0] == namedCurve {
			h.group = Group(binary.BigEndian.Uint16(body[1:]))
		}
	}
}

func (h *serverHello) serverHello(b []byte) {
	const fixed = 2 + 32 // version, random
	if len(b) < fixed+1 {
		return
	}
	h.version = binary.BigEndian.Uint16(b)
	b = b[fixed:]
	skip := 1 + int(b[0]) + 2 + 1 // session id, suite, compression
	if len(b) < skip+2 {
		return
	}
	b = b[skip+2:]
	for len(b) >= 4 {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if b = b[4:]; len(b) < n {
			return
		}
		switch {
		case kind == extensionSupportedVersions && n == 2:
			h.version = binary.BigEndian.Uint16(b)
		case kind == extensionKeyShare && n >= 2:
			h.group = Group(binary.BigEndian.Uint16(b))
		}
		b = b[n:]
	}
}

// Extension numbers (RFC 8446 §4.2).
const (
	extensionSupportedVersions = 43
	extensionKeyShare          = 51
)
