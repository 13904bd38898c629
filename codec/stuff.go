package codec

// LineEnds says what is done about CR without LF and LF without CR in content.
type LineEnds uint8

// The policies.
const (
	Normalize LineEnds = iota // a bare CR or LF becomes CRLF
	Refuse                    // a bare CR or LF is an error
)

// LineEndError says where a bare CR or LF is.
type LineEndError struct {
	Octet  byte  // '\r' or '\n'
	Line   int64 // from 1
	Offset int64 // octets from the beginning of the content
}

// Error implements error.
func (e *LineEndError) Error() string { return "codec: bare line end" }

// Stuffer makes content ready for DATA (RFC 5321 §4.5.2).
type Stuffer struct{}

func (s *Stuffer) Reset(mode LineEnds)                                 {}
func (s *Stuffer) Append(dst, src []byte) ([]byte, error)              { return dst, nil }
func (s *Stuffer) Segments(dst [][]byte, src []byte) ([][]byte, error) { return dst, nil }
func (s *Stuffer) End(dst []byte) ([]byte, error)                      { return dst, nil }
func (s *Stuffer) Lines() int64                                        { return 0 }
func (s *Stuffer) Content() int64                                      { return 0 }

// Normalizer makes content ready for BDAT: the same rules for line ends, no dots.
type Normalizer struct{}

func (z *Normalizer) Reset(mode LineEnds)                                 {}
func (z *Normalizer) Append(dst, src []byte) ([]byte, error)              { return dst, nil }
func (z *Normalizer) Segments(dst [][]byte, src []byte) ([][]byte, error) { return dst, nil }
func (z *Normalizer) End(dst []byte) ([]byte, error)                      { return dst, nil }
func (z *Normalizer) Lines() int64                                        { return 0 }
func (z *Normalizer) Content() int64                                      { return 0 }

// Unstuffer is the reverse of Stuffer, for receivers.
type Unstuffer struct{}

func (u *Unstuffer) Reset()                                     {}
func (u *Unstuffer) Append(dst, src []byte) (out []byte, n int) { return dst, len(src) }
func (u *Unstuffer) Done() bool                                 { return false }
func (u *Unstuffer) Bare() *LineEndError                        { return nil }
