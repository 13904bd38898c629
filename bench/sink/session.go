package sink

import (
	"bytes"
	"crypto/tls"
	"net"
	"strconv"
)

// A buffer starts small, so that ten thousand idle sessions cost little, and grows to
// hold what a client sends ahead.
const (
	smallBuffer = 16 << 10
	largeBuffer = 256 << 10
)

// session is one connection. What has been read is buf[r:w].
type session struct {
	*Server
	conn   net.Conn
	buf    []byte
	r, w   int
	out    []byte
	secure bool
}

func (srv *Server) session(nc net.Conn, implicit bool) {
	counted := &turnConn{Conn: nc, turns: &srv.turns}
	defer counted.Close()
	s := &session{Server: srv, conn: counted, buf: make([]byte, smallBuffer)}
	if implicit {
		s.conn, s.secure = tls.Server(counted, srv.TLS), true
	}
	s.say("220 sink.example ESMTP\r\n")
	for {
		line, ok := s.line()
		if !ok || !s.command(line) {
			return
		}
	}
}

func (s *session) say(reply string) { s.out = append(s.out, reply...) }

// line is the next command, without its end. What was answered goes out before it waits.
func (s *session) line() ([]byte, bool) {
	for {
		if i := bytes.IndexByte(s.buf[s.r:s.w], '\n'); i >= 0 {
			line := bytes.TrimSuffix(s.buf[s.r:s.r+i], []byte("\r"))
			s.r += i + 1
			return line, true
		}
		if s.flush() != nil || s.fill() != nil {
			return nil, false
		}
	}
}

// fill waits for more.
func (s *session) fill() error {
	if s.r > 0 {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	if s.w == len(s.buf) {
		s.grow()
	}
	n, err := s.conn.Read(s.buf[s.w:])
	s.w += n
	if n > 0 {
		err = nil
	}
	if s.w == len(s.buf) && len(s.buf) < largeBuffer {
		s.grow()
	}
	return err
}

func (s *session) grow() {
	larger := make([]byte, 4*len(s.buf))
	copy(larger, s.buf[:s.w])
	s.buf = larger
}

func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

// verb is the first four letters of a command in capitals.
func verb(line []byte) (v [4]byte) {
	copy(v[:], line)
	for i, c := range v {
		if 'a' <= c && c <= 'z' {
			v[i] = c - 'a' + 'A'
		}
	}
	return v
}

// command answers one command; false: the session is over.
func (s *session) command(line []byte) bool {
	switch verb(line) {
	case [4]byte{'M', 'A', 'I', 'L'}:
		s.say("250 2.1.0 Sender ok\r\n")
	case [4]byte{'R', 'C', 'P', 'T'}:
		s.say("250 2.1.5 Recipient ok\r\n")
	case [4]byte{'D', 'A', 'T', 'A'}:
		s.say("354 End data with <CR><LF>.<CR><LF>\r\n")
		return s.data()
	case [4]byte{'B', 'D', 'A', 'T'}:
		return s.chunk(line)
	case [4]byte{'E', 'H', 'L', 'O'}:
		s.say("250-sink.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n")
		if s.StartTLS && !s.secure {
			s.say("250-STARTTLS\r\n")
		}
		s.say("250 SIZE 1073741824\r\n")
	case [4]byte{'S', 'T', 'A', 'R'}:
		s.say("220 2.0.0 Go ahead\r\n")
		if s.flush() != nil || s.TLS == nil {
			return false
		}
		s.r, s.w = 0, 0
		s.conn, s.secure = tls.Server(s.conn, s.TLS), true
	case [4]byte{'Q', 'U', 'I', 'T'}:
		s.say("221 2.0.0 Bye\r\n")
		return s.flush() == nil && s.bye()
	default:
		s.say("250 2.0.0 Ok\r\n")
	}
	return true
}

// bye waits for the client to close, so that the last octets are not lost.
func (s *session) bye() bool {
	for s.fill() == nil {
		s.r, s.w = 0, 0
	}
	return false
}

// data skips the content that follows DATA. Only a dot can begin the end of it, and
// dots are rare: they are what is looked for.
func (s *session) data() bool {
	start := true // at the very beginning a lone dot ends it too
	for {
		b := s.buf[s.r:s.w]
		end, rest := endOfData(b, start)
		if end >= 0 {
			s.octets.Add(int64(end))
			s.r += end
			return s.accepted()
		}
		if rest > 0 {
			start = false
			s.octets.Add(int64(rest))
			s.r += rest
		}
		if s.flush() != nil || s.fill() != nil {
			return false
		}
	}
}

// endOfData returns where the content ends in b, behind the dot and its line end; or
// -1, and how much of b is content for certain and need not be looked at again.
func endOfData(b []byte, start bool) (end, rest int) {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '.')
		if i < 0 {
			return -1, max(0, len(b)-2)
		}
		dot := at + i
		first := dot == 0 && start || dot >= 2 && b[dot-2] == '\r' && b[dot-1] == '\n'
		switch {
		case !first:
		case dot+2 >= len(b):
			return -1, max(0, dot-2)
		case b[dot+1] == '\r' && b[dot+2] == '\n':
			return dot + 3, 0
		}
		at = dot + 1
	}
}

// chunk skips what BDAT announces. The replies to what came before it wait until it is
// there: the client does not wait for them, so to send them would be no turn.
func (s *session) chunk(line []byte) bool {
	size, last := line[len("BDAT"):], false
	size = bytes.TrimSpace(size)
	if i := bytes.IndexByte(size, ' '); i >= 0 {
		size, last = size[:i], true
	}
	n, err := strconv.Atoi(string(size))
	if err != nil {
		return false
	}
	s.octets.Add(int64(n))
	for {
		have := min(n, s.w-s.r)
		s.r += have
		n -= have
		if n == 0 {
			break
		}
		if s.fill() != nil {
			return false
		}
	}
	if last {
		return s.accepted()
	}
	s.say("250 2.0.0 Ok\r\n")
	return true
}

func (s *session) accepted() bool {
	s.messages.Add(1)
	s.say("250 2.0.0 Ok: thrown away\r\n")
	return true
}
