package transport

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// SessionCache remembers TLS sessions for resumption, and the chains of certificates
// that were verified. Both are only found again by the same engine for the same endpoint
// under the same trust policy, offer and client identity: what was made under one set of
// roots is unknown under another. What is known is verified again all the same, but for
// the signatures: that the server shows the same certificate and has its key, name, time,
// that the root is still trusted, and the caller's hook. A constraint of the pool of roots
// (x509.CertPool.AddCertWithConstraint) is asked with the signatures. Connections made with
// it also share what each would otherwise keep for itself, of the configuration and of the
// description of the link: 0.7 KiB of memory. Its zero value is usable: 64 of each, 10 hours.
// It is safe for concurrent use.
type SessionCache struct {
	Capacity     int           // sessions kept, and chains; 0: 64
	Lifetime     time.Duration // for which one is used; 0: 10 h
	NoResumption bool          // no session is asked for or kept; chains are

	mu       sync.Mutex
	sessions ageing[any]
	chains   ageing[[][]*x509.Certificate] // that led to trust when nothing was wrong
	hooks    ageing[[]*stdHooks]           // of handshakes that are over
	links    ageing[*Security]             // what was said of the last one
}

// ageing are values that are forgotten when they are old, or when there are too many.
type ageing[V any] map[sessionKey]aged[V]

type aged[V any] struct {
	value V
	since time.Time
}

// sessionKey is comparable. The pool of roots is known by identity, and keeping
// the pointer here keeps that identity from being given to another pool.
type sessionKey struct {
	engine, hello    string
	endpoint, server string
	roots            *x509.CertPool
	policy           [sha256.Size]byte
}

func newSessionKey(engine, hello string, nc net.Conn, c *TLSConfig) sessionKey {
	k := sessionKey{engine: engine, hello: hello, endpoint: c.Endpoint, server: c.ServerName, roots: c.RootCAs}
	if k.endpoint == "" {
		if a := nc.RemoteAddr(); a != nil {
			k.endpoint = a.Network() + " " + a.String()
		}
	}
	h := sha256.New()
	// Every item is preceded by its length, every list by its count.
	octets := func(p []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	count := func(n int) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	count(len(c.ExtraRootCAs))
	for _, cert := range c.ExtraRootCAs {
		if cert != nil {
			octets(cert.Raw)
		}
	}
	if c.Pin != nil {
		octets(c.Pin.Raw)
	} else {
		count(-1)
	}
	count(b2i(c.InsecureSkipVerify))
	count(int(c.Forgive))
	count(b2i(c.VerifyPeer != nil))
	count(len(c.Certificates))
	for _, cert := range c.Certificates {
		count(len(cert.Certificate))
		for _, der := range cert.Certificate {
			octets(der)
		}
	}
	versions, _ := c.offeredVersions()
	for _, list := range [][]uint16{versions, c.CipherSuites, numbers(c.Groups), numbers(c.KeyShares), numbers(c.SignatureAlgorithms)} {
		count(len(list))
		for _, v := range list {
			count(int(v))
		}
	}
	count(c.MinCipherBits)
	count(b2i(c.OmitRenegotiationInfo))
	count(len(c.NextProtos))
	for _, p := range c.NextProtos {
		octets([]byte(p))
	}
	h.Sum(k.policy[:0])
	return k
}

func numbers[T ~uint16](list []T) []uint16 {
	out := make([]uint16, len(list))
	for i, v := range list {
		out[i] = uint16(v)
	}
	return out
}

func (a *ageing[V]) get(k sessionKey, now time.Time, lifetime time.Duration) (value V) {
	e, ok := (*a)[k]
	if age := now.Sub(e.since); ok && (age < 0 || age >= lifetime) {
		delete(*a, k)
		return value
	}
	return e.value
}

// put makes room by dropping the oldest.
func (a *ageing[V]) put(k sessionKey, value V, now time.Time, capacity int) {
	if *a == nil {
		*a = ageing[V]{}
	}
	if _, ok := (*a)[k]; !ok && len(*a) >= capacity {
		oldest, first := k, true
		for k, e := range *a {
			if first || e.since.Before((*a)[oldest].since) {
				oldest, first = k, false
			}
		}
		delete(*a, oldest)
	}
	(*a)[k] = aged[V]{value, now}
}

// session returns that of an engine, or nil.
func (s *SessionCache) session(k sessionKey, now time.Time) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions.get(k, now, s.lifetime())
}

func (s *SessionCache) keep(k sessionKey, state any, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.put(k, state, now, s.capacity())
}

// verified returns the chains that were verified last, or nil.
func (s *SessionCache) verified(k sessionKey, now time.Time) [][]*x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chains.get(k, now, s.lifetime())
}

// verify notes chains that have been verified.
func (s *SessionCache) verify(k sessionKey, chains [][]*x509.Certificate, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chains.put(k, chains, now, s.capacity())
}

// take returns hooks that were left, or nil.
func (s *SessionCache) take(k sessionKey) *stdHooks {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.hooks[k].value
	if len(left) == 0 {
		return nil
	}
	last := len(left) - 1
	h := left[last]
	left[last] = nil
	s.hooks[k] = aged[[]*stdHooks]{left[:last], s.hooks[k].since}
	return h
}

// leave keeps hooks for the next handshake, at most as many as have been going on at once.
func (s *SessionCache) leave(k sessionKey, h *stdHooks) {
	const most = 64
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := s.hooks[k].value; len(left) < most {
		s.hooks.put(k, append(left, h), time.Time{}, s.capacity())
	}
}

// described returns what was said of the last link, if it is the same, or else remembers it.
func (s *SessionCache) described(d *Security, c *TLSConfig) *Security {
	k := sessionKey{engine: d.Engine, endpoint: c.Endpoint, server: d.ServerName, roots: c.RootCAs}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.links[k].value; last != nil && last.alike(d) {
		return last
	}
	s.links.put(k, d, time.Time{}, s.capacity())
	return d
}

func (s *SessionCache) forget(k sessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, k)
	delete(s.chains, k)
}

// Len returns the number of sessions kept.
func (s *SessionCache) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Clear forgets everything.
func (s *SessionCache) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
	clear(s.chains)
	clear(s.hooks)
	clear(s.links)
}

func (s *SessionCache) capacity() int {
	if s.Capacity > 0 {
		return s.Capacity
	}
	return 64
}

func (s *SessionCache) lifetime() time.Duration {
	if s.Lifetime > 0 {
		return s.Lifetime
	}
	return 10 * time.Hour
}
