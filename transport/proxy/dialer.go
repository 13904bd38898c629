package proxy

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"github.com/parley-mail/parley/transport"
)

// Dialer opens connections. *net.Dialer and *transport.TCPDialer are, and so is what
// [Chain] returns.
type Dialer = transport.Dialer

// Stage is one proxy of a chain: it dials through what is before it.
type Stage interface {
	// DialThrough returns a connection to address. forward reaches the proxy.
	// network is "tcp", "tcp4" or "tcp6"; it governs the sockets and the look-ups of
	// this machine, not what the proxy does. The error is an *Error.
	DialThrough(ctx context.Context, forward Dialer, network, address string) (net.Conn, error)
}

// DefaultTimeout is how long a proxy may take for its part, from the moment it is
// connected to the moment the tunnel stands. A proxy answers only after it has
// reached the target, so this covers a connect on its side.
const DefaultTimeout = 60 * time.Second

// Chain returns a Dialer that goes through the stages, the first one dialled
// first. A nil base is a plain net.Dialer. Without stages it returns the base. The Dialer
// is a pointer: it can be compared, whatever the stages hold, and equals only itself.
func Chain(base Dialer, stages ...Stage) Dialer {
	if base == nil {
		base = &net.Dialer{}
	}
	for i, s := range stages {
		base = &link{stage: s, forward: base, index: i + 1}
	}
	return base
}

// link is a stage with what is before it.
type link struct {
	stage   Stage
	forward Dialer
	index   int
}

// DialContext dials through the stage and numbers its errors.
func (l *link) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := l.stage.DialThrough(ctx, l.forward, network, address)
	if err == nil {
		return nc, nil
	}
	var e *Error
	if errors.As(err, &e) && e.Stage == 0 {
		e.Stage = l.index
	}
	return nil, err
}

// attempt is one try at one proxy: what its errors have to tell.
type attempt struct {
	kind   Kind
	addr   string // the proxy
	target string // what it is asked for
	op     Op     // what is being done now
}

// fail makes an error of the present step.
func (a *attempt) fail(r Reason, err error) *Error {
	return &Error{Kind: a.kind, Addr: a.addr, Target: a.target, Op: a.op, Reason: r, Err: err}
}

// refused makes an error of the proxy's own answer.
func (a *attempt) refused(r Reason, status int, text string) *Error {
	e := a.fail(r, nil)
	e.Status, e.Text = status, clip(text)
	return e
}

// handshake is a stage's conversation with its proxy. It returns the tunnel, which
// may be nc itself.
type handshake func(ctx context.Context, nc net.Conn) (net.Conn, error)

// errSilent is the cause of a context that ended by a stage's own timeout.
var errSilent = errors.New("the proxy did not answer in time")

// open dials the proxy and runs the handshake within the timeout. It owns the
// connection until it returns it: on any failure it is closed, once, here.
func (a *attempt) open(ctx context.Context, forward Dialer, network string, timeout time.Duration, talk handshake) (net.Conn, error) {
	a.op = OpDial
	nc, err := forward.DialContext(ctx, network, a.addr)
	if err == nil && nc == nil {
		err = errors.New("the dialer returned neither a connection nor an error")
	}
	if err != nil {
		return nil, a.dialError(ctx, err)
	}
	bounded, cancel := context.WithTimeoutCause(ctx, cmp.Or(max(timeout, 0), DefaultTimeout), errSilent)
	defer cancel()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(bounded, func() {
		defer close(interrupted)
		if nc.SetDeadline(time.Unix(1, 0)) != nil {
			_ = nc.Close() // a link without deadlines can only be closed
		}
	})

	tunnel, err := talk(bounded, nc)
	if !stop() { // the deadline has been set, and would stay
		<-interrupted
		_ = nc.Close()
		return nil, a.ended(bounded)
	}
	if err != nil {
		_ = nc.Close()
		return nil, a.ioError(err)
	}
	if a.kind != KindHeader {
		tunnel = withoutClaims(tunnel)
	}
	return tunnel, nil
}

// dialError tells why the proxy was not reached. A stage before this one tells its
// own story.
func (a *attempt) dialError(ctx context.Context, err error) error {
	var before *Error
	if errors.As(err, &before) || a.kind == KindHeader {
		return err
	}
	if ctx.Err() != nil {
		return a.ended(ctx)
	}
	return a.fail(ReasonNoProxy, err)
}

// ended tells by what the context ended.
func (a *attempt) ended(ctx context.Context) *Error {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return a.fail(ReasonTimeout, cause)
	}
	return a.fail(ReasonCanceled, cause)
}

// ioError gives the errors of connections a reason; others are passed.
func (a *attempt) ioError(err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, errAgain):
		return err
	case isEOF(err):
		return a.fail(ReasonClosed, err)
	}
	return a.fail(ReasonLost, err)
}
