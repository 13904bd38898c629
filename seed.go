package parley

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
)

// seeded returns a source of randomness into which data is mixed. It is never weaker than
// the system's: every octet is the system's, exclusive-ored with a stream derived from
// the data. TLS uses it for what is not a key.
func seeded(data string) io.Reader { return &seedReader{data: []byte(data)} }

type seedReader struct {
	mu   sync.Mutex
	data []byte
	n    uint64
}

// Read fills p.
func (r *seedReader) Read(p []byte) (int, error) {
	if _, err := rand.Read(p); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := 0; i < len(p); {
		r.n++
		salt := binary.BigEndian.AppendUint64(nil, r.n)
		stream, err := hkdf.Key(sha256.New, r.data, salt, "parley seed", sha256.Size)
		if err != nil {
			return 0, err
		}
		for k := 0; k < len(stream) && i < len(p); i, k = i+1, k+1 {
			p[i] ^= stream[k]
		}
	}
	return len(p), nil
}
