// Package record keeps what was said on a link, plays it back, and writes it down
// as a transcript.
//
// [New] puts a recorder over a link, above its TLS, so that it sees what the
// session sees: every read and write as one [Frame], in order. [Transcript] makes
// a text of the frames in which no credential and no message content appears.
// [Play] makes a link that answers as the recorded server did.
//
// Frames themselves are raw: they hold passwords. They are for memory, and for the
// eyes of code that redacts; what goes to a file goes through Transcript.
package record

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/parley-mail/parley/transport"
)

// Dir says who sent a frame.
type Dir uint8

// The directions.
const (
	FromServer Dir = iota
	FromClient
)

// String returns "S" or "C".
func (d Dir) String() string {
	if d == FromServer {
		return "S"
	}
	return "C"
}

// Frame is what one read or one write carried.
type Frame struct {
	Dir   Dir
	TLS   bool          // inside TLS
	End   bool          // no octets: the side closed the connection
	Bytes []byte        // raw, credentials included
	At    time.Duration // since the log began
}

// Log collects frames. Its zero value is usable. It is safe for concurrent use.
type Log struct {
	// Limit is how many octets are kept; what comes after is dropped and counted.
	// 0: 16 MiB; negative: nothing is kept, and only Sink sees the frames.
	Limit int
	// Sink, if set, gets every frame, also those beyond Limit. Calls come one at a
	// time, in order. The frame's octets are valid during the call only.
	Sink func(Frame)

	mu      sync.Mutex
	began   time.Time
	frames  []Frame
	kept    int
	dropped int64
}

const defaultLimit = 16 << 20

// Frames returns the frames so far. Their octets are shared and must not be changed.
func (l *Log) Frames() []Frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.frames)
}

// Dropped returns how many octets were beyond the limit.
func (l *Log) Dropped() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

func (l *Log) add(f Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.began.IsZero() {
		l.began = now
	}
	f.At = now.Sub(l.began)
	if l.Sink != nil {
		l.Sink(f)
	}
	limit := l.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	if l.kept+len(f.Bytes) > limit || l.dropped > 0 {
		l.dropped += int64(len(f.Bytes))
		return
	}
	l.kept += len(f.Bytes)
	f.Bytes = slices.Clone(f.Bytes)
	l.frames = append(l.frames, f)
}

// New returns c with everything that is read from and written to it added to l.
func New(c transport.Conn, l *Log) transport.Conn { return &recorder{Conn: c, log: l} }

// Dialer returns d with its links recorded.
func Dialer(d transport.Dialer, l *Log) transport.Dialer { return dialer{d, l} }

type dialer struct {
	d transport.Dialer
	l *Log
}

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := d.d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return New(transport.New(nc), d.l), nil
}

type recorder struct {
	transport.Conn
	log  *Log
	once sync.Once
}

// NetConn returns the link below.
func (r *recorder) NetConn() net.Conn { return r.Conn }

func (r *recorder) frame(d Dir, p []byte) {
	r.log.add(Frame{Dir: d, TLS: r.Conn.Security().Secure, Bytes: p})
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if n > 0 {
		r.frame(FromServer, p[:n])
	}
	if errors.Is(err, io.EOF) {
		r.log.add(Frame{Dir: FromServer, TLS: r.Conn.Security().Secure, End: true})
	}
	return n, err
}

// Write records before it writes, because the answer may be read before Write
// returns. What the link did not take is recorded as sent all the same.
func (r *recorder) Write(p []byte) (int, error) {
	if len(p) > 0 {
		r.frame(FromClient, p)
	}
	return r.Conn.Write(p)
}

// WriteBuffers implements transport.BuffersWriter; it makes one frame.
func (r *recorder) WriteBuffers(b *net.Buffers) (int64, error) {
	if p := slices.Concat(*b...); len(p) > 0 {
		r.frame(FromClient, p)
	}
	if w, ok := r.Conn.(transport.BuffersWriter); ok {
		return w.WriteBuffers(b)
	}
	return b.WriteTo(r.Conn)
}

// Readable implements transport.Prober.
func (r *recorder) Readable() (bool, error) {
	if p, ok := r.Conn.(transport.Prober); ok {
		return p.Readable()
	}
	return false, errors.ErrUnsupported
}

func (r *recorder) Close() error {
	r.once.Do(func() { r.log.add(Frame{Dir: FromClient, TLS: r.Conn.Security().Secure, End: true}) })
	return r.Conn.Close()
}
