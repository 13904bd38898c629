package sink

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Server receives mail. The zero value is an SMTP server on a clear link that
// offers what needs no setting and discards every message. The fields are not
// changed once a session has begun.
type Server struct {
	// Name is the domain in the greeting and in the reply to EHLO; the default is
	// "localhost".
	Name string
	// LMTP speaks RFC 2033: LHLO in place of EHLO, and a reply per recipient.
	LMTP bool
	// Extensions are the extensions offered; zero is [AllExtensions], and
	// [NoExtensions] offers none. STARTTLS and REQUIRETLS need TLS, AUTH needs users.
	Extensions Extensions
	// Keywords are further lines of the reply to EHLO, as they are.
	Keywords []string
	// TLS is the configuration for STARTTLS and for [Server.ServeTLS].
	TLS *tls.Config
	// RequireTLS refuses mail and authentication on a clear link (RFC 3207 §4).
	RequireTLS bool
	// Auth says who may log in, and whether one must.
	Auth Auth
	// Limits bound what a session may use.
	Limits Limits
	// Tolerance takes single rules back; zero is strict.
	Tolerance Tolerance
	// CheckContent refuses content with lines over 1000 octets, a NUL, or octets
	// over 127 that were not declared (RFC 5321 §4.5.3.1.6, RFC 6152 §3).
	CheckContent bool
	// Directory answers VRFY and EXPN.
	Directory Directory
	// Hooks script replies.
	Hooks Hooks
	// Store keeps the messages; nil discards them.
	Store Store
	// OnError is told what ended a session other than QUIT: a failed handshake, a
	// lost connection, a timeout. It is called by the session's goroutine.
	OnError func(remote net.Addr, err error)

	stats     counters
	closing   atomic.Bool
	mu        sync.Mutex // guards what follows
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}
	ended     sync.Cond // a session has ended; its lock is mu
	stopped   bool      // Close was called
}

// Tolerance is a set of rules that are not enforced.
type Tolerance uint8

// The rules that can be taken back.
const (
	// BareLineEnds takes content with a CR or LF alone as it is. Even so only CRLF
	// "." CRLF ends it.
	BareLineEnds Tolerance = 1 << iota
	// InputAhead takes commands sent before a reply that the client had to wait for
	// (RFC 2920 §3.1). What comes behind STARTTLS is refused all the same.
	InputAhead
)

// Limits bound what a session may use. Zero stands for the default.
type Limits struct {
	// Size is the largest content in octets, the value of SIZE (RFC 1870). The
	// default is 64 MiB; a negative value is no limit.
	Size int64
	// Recipients of one message; the default is 1000 (RFC 5321 §4.5.3.1.8).
	Recipients int
	// RecipientDomains is how many domains the recipients of one message may have;
	// the default is no limit (RFC 9422 §4.3).
	RecipientDomains int
	// Messages in one session; the default is no limit (RFC 9422 §4.1).
	Messages int
	// Commands in one session; the default is no limit.
	Commands int
	// Errors is how many replies of 500 to 504 a session may earn before it is
	// closed with 421; the default is 50. An accepted message sets the count back.
	Errors int
	// Line is the longest command line in octets with its CRLF; the default is 2048,
	// and lines of an AUTH exchange may always have 12288 (RFC 4954 §4).
	Line int
	// Connections at a time; the default is no limit.
	Connections int
	// Wait is how long a whole command line, or the next piece of content, may take;
	// the default is 5 minutes (RFC 5321 §4.5.3.2.7). A reply must be taken as fast.
	Wait time.Duration
	// Content is how long the whole of a message's content may take; the default is
	// an hour.
	Content time.Duration
}

func (l *Limits) size() int64            { return cmp.Or(l.Size, 64<<20) }
func (l *Limits) recipients() int        { return cmp.Or(l.Recipients, 1000) }
func (l *Limits) errors() int            { return cmp.Or(l.Errors, 50) }
func (l *Limits) line() int              { return min(cmp.Or(l.Line, 2048), maxLine) }
func (l *Limits) wait() time.Duration    { return cmp.Or(l.Wait, 5*time.Minute) }
func (l *Limits) content() time.Duration { return cmp.Or(l.Content, time.Hour) }

// ErrStopped is returned by Serve when the server had been shut down before.
var ErrStopped = errors.New("sink: server is shut down")

// Serve accepts connections until the context ends, the server is shut down or the
// listener fails, then waits for its sessions. It closes the listener. The end of
// the context cuts running sessions; [Server.Shutdown] lets them finish. Both give
// a nil error.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	return srv.serve(ctx, l, false)
}

// ServeTLS is Serve with TLS from the first octet on (RFC 8314 §3.3). It needs
// Server.TLS.
func (srv *Server) ServeTLS(ctx context.Context, l net.Listener) error {
	if srv.TLS == nil {
		l.Close()
		return errors.New("sink: ServeTLS without a TLS configuration")
	}
	return srv.serve(ctx, l, true)
}

func (srv *Server) serve(ctx context.Context, l net.Listener, implicit bool) error {
	if !srv.listen(l) {
		l.Close()
		return ErrStopped
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	var sessions sync.WaitGroup
	defer func() {
		stop()
		srv.unlisten(l)
		sessions.Wait()
		cancel()
	}()
	for delay := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			sessions.Go(func() { srv.serveConn(ctx, nc, implicit) })
		case ctx.Err() != nil || srv.closing.Load():
			return nil
		case shortage(err):
			// Out of descriptors: sessions that end will give some back.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
		default:
			cancel()
			return fmt.Errorf("sink: accepting: %w", err)
		}
	}
}

// ServeConn runs one session over a connection and closes it.
func (srv *Server) ServeConn(ctx context.Context, nc net.Conn) { srv.serveConn(ctx, nc, false) }

func (srv *Server) serveConn(ctx context.Context, nc net.Conn, implicit bool) {
	s := newSession(srv, nc)
	if !srv.enter(s) {
		nc.Close()
		return
	}
	defer srv.leave(s)
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	s.serve(ctx, implicit)
}

// Shutdown ends the server gracefully: no connection is accepted any more, a
// session between messages is told 421 and closed, one inside a mail transaction
// may finish it. When the context ends first, what is left is cut, and its error
// returned. The server cannot be used again.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.closing.Store(true)
	srv.mu.Lock()
	srv.init()
	for l := range srv.listeners {
		l.Close()
	}
	for s := range srv.sessions {
		s.wake()
	}
	cut := context.AfterFunc(ctx, srv.cut)
	for len(srv.sessions) > 0 {
		srv.ended.Wait()
	}
	srv.mu.Unlock()
	if !cut() {
		return ctx.Err()
	}
	return nil
}

// Close ends the server at once and cuts every session.
func (srv *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := srv.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// cut closes the connections of all sessions.
func (srv *Server) cut() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.stopped = true
	for s := range srv.sessions {
		s.raw.Close()
	}
}

func (srv *Server) init() {
	if srv.listeners == nil {
		srv.listeners = make(map[net.Listener]struct{})
		srv.sessions = make(map[*session]struct{})
		srv.ended.L = &srv.mu
	}
}

func (srv *Server) listen(l net.Listener) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.init()
	if srv.closing.Load() {
		return false
	}
	srv.listeners[l] = struct{}{}
	return true
}

func (srv *Server) unlisten(l net.Listener) {
	l.Close()
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.listeners, l)
}

// enter books a session; s.crowded says that it is one too many.
func (srv *Server) enter(s *session) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.init()
	if srv.stopped {
		return false
	}
	s.crowded = srv.Limits.Connections > 0 && len(srv.sessions) >= srv.Limits.Connections
	srv.sessions[s] = struct{}{}
	srv.stats.sessions.Add(1)
	srv.stats.open.Add(1)
	return true
}

func (srv *Server) leave(s *session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.sessions, s)
	srv.stats.open.Add(-1)
	srv.ended.Broadcast()
}

func (srv *Server) name() string { return cmp.Or(srv.Name, "localhost") }

// shortage reports whether accepting may work again later.
func shortage(err error) bool {
	var sys *os.SyscallError
	return errors.As(err, &sys) && tooManyFiles(sys.Err)
}
