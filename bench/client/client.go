// Package client has the clients in Go that Parley is compared with: the blaster,
// which is the limit of what Go can do, and the peers, each used as its own
// documentation shows, with what its interface offers to be quick.
package client

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/parley-mail/parley/bench/load"
)

// make is how a client is set up for a load.
type maker func(l *load.Load, content []byte) (load.Opener, error)

var makers = map[string]maker{
	"blaster-go":     newBlaster,
	"net/smtp":       newNetSMTP,
	"emersion":       newEmersion,
	"go-mail":        newGoMail,
	"go-mail-lean":   newGoMailLean,
	"go-simple-mail": newSimpleMail,
	"mox":            newMox,
	"parley-file":    newParleyFile,
	"parley-pool":    newParleyPool,
	"probe":          newProbe,
}

// Names are the clients there are.
func Names() []string {
	names := make([]string, 0, len(makers))
	for name := range makers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Run sends a load by the client of that name and prints the result.
func Run(name string, args []string, out io.Writer) error {
	make, ok := makers[name]
	if !ok {
		return fmt.Errorf("client: no %q; there are %q", name, Names())
	}
	l, err := load.Parse(args)
	if err != nil {
		return err
	}
	content, err := l.Content()
	if err != nil {
		return err
	}
	open, err := make(l, content)
	if err != nil {
		return err
	}
	return load.Run(l, open, out)
}

// dialer connects, with TLS from the start if the load says so.
func dialer(l *load.Load) (func() (net.Conn, error), error) {
	if l.TLS != load.ImplicitTLS {
		return func() (net.Conn, error) { return net.Dial("tcp", l.Addr) }, nil
	}
	c, err := l.TLSConfig()
	if err != nil {
		return nil, err
	}
	return func() (net.Conn, error) {
		nc, err := net.Dial("tcp", l.Addr)
		if err != nil {
			return nil, err
		}
		tc := tls.Client(nc, c)
		if err := tc.Handshake(); err != nil {
			nc.Close()
			return nil, err
		}
		return tc, nil
	}, nil
}

// hostPort is the server's address in two.
func hostPort(l *load.Load) (host string, port int, err error) {
	a, err := net.ResolveTCPAddr("tcp", l.Addr)
	if err != nil {
		return "", 0, err
	}
	return a.IP.String(), a.Port, nil
}

// noSTARTTLS is for the clients that are not measured with it.
func noSTARTTLS(l *load.Load) error {
	if l.TLS == load.StartTLS {
		return fmt.Errorf("client: STARTTLS is not measured here")
	}
	return nil
}
