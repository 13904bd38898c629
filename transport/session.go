package transport

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// SessionCache remembers TLS sessions for resumption. A session is only found
// again by the same engine for the same endpoint under the same trust policy,
// offer and client identity; a session made under one set of roots is unknown
// under another. What is resumed is verified again all the same, but for the
// signatures: name, time, that the root is still trusted, and the caller's hook.
// Its zero value is usable: 64 sessions, 10 hours. It is safe for concurrent use.
type SessionCache struct {
	Capacity int           // sessions kept; 0: 64; negative: none, so that nothing is resumed
	Lifetime time.Duration // for which one is used; 0: 10 h

	mu       sync.Mutex
	sessions map[sessionKey]session
}

type session struct {
	state  any
	chains [][]*x509.Certificate // that led to trust, if nothing was wrong
	at     time.Time
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

func (s *SessionCache) get(k sessionKey, now time.Time) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.sessions[k]
	if !ok {
		return session{}, false
	}
	if age := now.Sub(e.at); age < 0 || age >= s.lifetime() {
		delete(s.sessions, k)
		return session{}, false
	}
	return e, true
}

func (s *SessionCache) forget(k sessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, k)
}

func (s *SessionCache) put(k sessionKey, e session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = make(map[sessionKey]session)
	}
	if _, ok := s.sessions[k]; !ok && len(s.sessions) >= s.capacity() {
		s.evict()
	}
	s.sessions[k] = e
}

// evict drops the oldest session.
func (s *SessionCache) evict() {
	var oldest sessionKey
	first := true
	for k, e := range s.sessions {
		if first || e.at.Before(s.sessions[oldest].at) {
			oldest, first = k, false
		}
	}
	delete(s.sessions, oldest)
}

// Len returns the number of sessions kept.
func (s *SessionCache) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Clear forgets all sessions.
func (s *SessionCache) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

func (s *SessionCache) capacity() int {
	if s.Capacity == 0 {
		return 64
	}
	return s.Capacity
}

func (s *SessionCache) lifetime() time.Duration {
	if s.Lifetime > 0 {
		return s.Lifetime
	}
	return 10 * time.Hour
}
