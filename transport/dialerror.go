package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Op is the step of dialling that failed.
type Op uint8

// The steps.
const (
	OpAddress Op = iota // the address is not in the form host:port, or the port is unknown
	OpResolve           // finding the host's addresses
	OpBind              // binding to the local host and port
	OpConnect           // connecting
	OpOption            // setting up the socket
	OpProxy             // what a proxy on the way did or said
	opCount
)

var opNames = [opCount]string{"address", "resolve", "bind", "connect", "option", "proxy"}

// String returns the step's name.
func (o Op) String() string {
	if o < opCount {
		return opNames[o]
	}
	return "Op(" + strconv.Itoa(int(o)) + ")"
}

// DialError is the error of dialling.
type DialError struct {
	Op      Op
	Network string
	Address string         // as asked for
	Tried   []AddressError // the addresses that were tried, in the order in which they failed
	Err     error
}

// AddressError is what one address answered.
type AddressError struct {
	Address netip.AddrPort
	Err     error
}

// Error returns one line with every address that was tried.
func (e *DialError) Error() string {
	var b strings.Builder
	b.WriteString("dial " + e.Network + " " + strconv.QuoteToASCII(clip(e.Address, 300)) + ": " + e.Op.String() + ": ")
	if len(e.Tried) < 2 {
		return b.String() + e.Err.Error()
	}
	for i, t := range e.Tried {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(t.Address.String() + ": " + cause(t.Err).Error())
	}
	return b.String()
}

// Unwrap returns the cause: the most telling one if several addresses failed.
func (e *DialError) Unwrap() error { return e.Err }

// NotFound reports whether the host has no address (of the family asked for).
func (e *DialError) NotFound() bool {
	var d *net.DNSError
	return e.Op == OpResolve && errors.As(e.Err, &d) && d.IsNotFound
}

// Refused reports whether the peer refused the connection.
func (e *DialError) Refused() bool { return errors.Is(e.Err, syscall.ECONNREFUSED) }

// Timeout reports whether time ran out. Together with Temporary it makes a
// DialError a net.Error.
func (e *DialError) Timeout() bool { return isTimeout(e.Err) }

// Temporary reports whether trying again later may help: everything but a host
// that does not exist, an impossible address and an impossible setting.
func (e *DialError) Temporary() bool {
	switch e.Op {
	case OpAddress, OpOption, OpBind:
		return false
	case OpResolve:
		return !e.NotFound() && !errors.Is(e.Err, context.Canceled)
	}
	return !errors.Is(e.Err, context.Canceled)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// opOf tells a failure to bind from a failure to connect.
func opOf(err error) Op {
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) || strings.HasPrefix(err.Error(), "bind:") {
		return OpBind
	}
	return OpConnect
}

// cause strips what net says about addresses that are named already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
