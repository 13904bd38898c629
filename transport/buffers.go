package transport

import (
	"net"
	"sync"
)

// recordOctets is how much is joined before it is handed to the TLS layer: the
// content of one full record (RFC 8446 §5.1).
const recordOctets = 16 << 10

var records = sync.Pool{New: func() any { return new([recordOctets]byte) }}

// WriteBuffers implements [BuffersWriter].
func (l *link) WriteBuffers(b *net.Buffers) (int64, error) {
	if t := l.tls.Load(); t != nil {
		return writeJoined(t.conn, b)
	}
	if w, ok := l.raw.(BuffersWriter); ok {
		return w.WriteBuffers(b)
	}
	return b.WriteTo(l.raw)
}

// writeJoined writes b in pieces of a record's size. A single buffer, or what is
// larger than a record, is not copied.
func writeJoined(nc net.Conn, b *net.Buffers) (int64, error) {
	var total int64
	write := func(p []byte) error {
		n, err := nc.Write(p)
		total += int64(n)
		return err
	}
	joined := records.Get().(*[recordOctets]byte)
	defer records.Put(joined)
	n := 0
	for i, p := range *b {
		(*b)[i] = nil
		for len(p) > 0 {
			if n == 0 && len(p) >= recordOctets {
				if err := write(p); err != nil {
					return total, err
				}
				break
			}
			k := copy(joined[n:], p)
			n, p = n+k, p[k:]
			if n == recordOctets {
				if err := write(joined[:]); err != nil {
					return total, err
				}
				n = 0
			}
		}
	}
	*b = (*b)[len(*b):]
	if n > 0 {
		if err := write(joined[:n]); err != nil {
			return total, err
		}
	}
	return total, nil
}
