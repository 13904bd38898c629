package live

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/internal/certs"
)

// host serves the connections of one client.
type host struct {
	plan     *plan
	certs    *certificates
	patience time.Duration // of the client
	started  time.Time
	told     func(conformance.Line) // called for each line of the dialogue; nil: nobody listens

	mu      sync.Mutex
	lines   []conformance.Line
	all     []*conversation
	talking sync.WaitGroup
}

// Of a dialogue that many lines are kept, from its end.
const kept = 400

func (h *host) octets(by string, secure bool, p []byte) {
	h.add(conformance.AppendWire(nil, time.Since(h.started), by, secure, p))
}

func (h *host) note(by, format string, args ...any) {
	h.add([]conformance.Line{{At: time.Since(h.started), By: by, Text: fmt.Sprintf(format, args...)}})
}

func (h *host) add(lines []conformance.Line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, lines...)
	if n := len(h.lines); n > 2*kept {
		h.lines = append(h.lines[:0], h.lines[n-kept:]...)
	}
	for i := 0; h.told != nil && i < len(lines); i++ {
		h.told(lines[i])
	}
}

// begin makes a conversation of a connection.
func (h *host) begin(nc net.Conn) *conversation {
	v := &conversation{host: h, plan: h.plan, raw: nc, nc: nc, used: make([]bool, len(h.plan.exchanges)), furthest: -1}
	e := h.plan.errand
	v.by = conformance.NewBystander(conformance.Watch{LMTP: e.LMTP, Plaintext: e.Plaintext, MustTLS: e.TLS != "none"})
	h.mu.Lock()
	h.all = append(h.all, v)
	n := len(h.all)
	h.mu.Unlock()
	if n > 1 {
		h.note("", "connection %d", n)
	}
	return v
}

// serve takes connections until the listener is closed, and then sees them to their ends.
func (h *host) serve(ctx context.Context, l net.Listener, ended func(*conversation)) {
	for {
		nc, err := l.Accept()
		if err != nil {
			break
		}
		v := h.begin(nc)
		h.talking.Go(func() {
			v.run(ctx)
			if ended != nil {
				ended(v)
			}
		})
	}
	h.talking.Wait()
}

// certificates are those that a server of a script can show.
type certificates struct {
	ca  *certs.CA
	mu  sync.Mutex
	had map[string]*tls.Config
}

func newCertificates() (*certificates, error) {
	ca, err := certs.NewCA()
	if err != nil {
		return nil, err
	}
	return &certificates{ca: ca, had: map[string]*tls.Config{}}, nil
}

// issue returns a certificate by the name that scripts have for it.
func (c *certificates) issue(name string) (tls.Certificate, error) {
	switch name {
	case "good":
		return c.ca.Issue(certs.Options{})
	case "expired":
		return c.ca.Issue(certs.Expired(certs.Options{}))
	case "wrong-name":
		return c.ca.Issue(certs.Options{Hosts: []string{"other.example"}})
	case "untrusted":
		other, err := certs.NewCA()
		if err != nil {
			return tls.Certificate{}, err
		}
		return other.Issue(certs.Options{})
	}
	return certs.SelfSigned(certs.Options{})
}

// tls returns the settings for a certificate of that name.
func (h *host) tls(name string) *tls.Config {
	c := h.certs
	c.mu.Lock()
	defer c.mu.Unlock()
	conf, ok := c.had[name]
	if !ok {
		conf = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errNoCertificate }}
		if cert, err := c.issue(name); err == nil {
			conf = &tls.Config{Certificates: []tls.Certificate{cert}}
		}
		c.had[name] = conf
	}
	return conf
}

var errNoCertificate = fmt.Errorf("there is no certificate to show")
