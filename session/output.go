package session

// output is the octets that wait to be written. Commands and small content are
// copied into one buffer; large content is referred to where the caller keeps it; and some
// the driver writes itself.
type output struct {
	buf    []byte
	segs   []segment
	vec    [][]byte // what the driver was given last
	queued int64    // stream offset behind the last octet
	given  int64    // stream offset behind the last octet that the driver was given
	wrote  int64    // stream offset behind the last octet that it says it wrote
}

// segment is a stretch of buf, or octets of somebody else's, or so many that only the driver
// has.
type segment struct {
	from, to int
	foreign  []byte
	owed     int64
}

func (s *segment) len() int64 {
	switch {
	case s.owed > 0:
		return s.owed
	case s.foreign != nil:
		return int64(len(s.foreign))
	}
	return int64(s.to - s.from)
}

// grown takes note of what was appended to buf.
func (o *output) grown(buf []byte) {
	n := len(buf) - len(o.buf)
	from := len(o.buf)
	o.buf = buf
	if n == 0 {
		return
	}
	o.queued += int64(n)
	if k := len(o.segs); k > 0 && o.segs[k-1].foreign == nil && o.segs[k-1].owed == 0 && o.segs[k-1].to == from {
		o.segs[k-1].to += n
		return
	}
	o.segs = append(o.segs, segment{from: from, to: from + n})
}

// refer takes octets that stay where they are.
func (o *output) refer(p []byte) {
	if len(p) == 0 {
		return
	}
	o.queued += int64(len(p))
	o.segs = append(o.segs, segment{foreign: p})
}

// owe takes note of octets that the driver writes.
func (o *output) owe(n int64) {
	o.queued += n
	o.segs = append(o.segs, segment{owed: n})
}

// vectors returns what waits, for one writev, and how many octets the driver owes behind it.
// Whatever waits behind those is not given.
func (o *output) vectors() (vec [][]byte, owed int64) {
	o.vec = o.vec[:0]
	o.given = o.queued
	for i := range o.segs {
		s := &o.segs[i]
		switch {
		case owed > 0:
			o.given -= s.len()
		case s.owed > 0:
			owed = s.owed
		case s.foreign != nil:
			o.vec = append(o.vec, s.foreign)
		default:
			o.vec = append(o.vec, o.buf[s.from:s.to])
		}
	}
	return o.vec, owed
}

// advance forgets n octets that are written.
func (o *output) advance(n int64) {
	o.wrote += n
	if o.wrote >= o.queued {
		o.wrote = o.queued
		o.discard()
		return
	}
	k := 0
	for ; k < len(o.segs) && n >= o.segs[k].len(); k++ {
		n -= o.segs[k].len()
	}
	if k < len(o.segs) && n > 0 {
		switch s := &o.segs[k]; {
		case s.owed > 0:
			s.owed -= n
		case s.foreign != nil:
			s.foreign = s.foreign[n:]
		default:
			s.from += int(n)
		}
	}
	o.segs = o.segs[:copy(o.segs, o.segs[k:])]
}

// discard drops what waits.
func (o *output) discard() {
	clear(o.segs) // let go of the caller's memory
	clear(o.vec[:cap(o.vec)])
	o.segs, o.buf = o.segs[:0], o.buf[:0]
}

// owes reports whether what comes next is the driver's.
func (o *output) owes() bool { return len(o.segs) > 0 && o.segs[0].owed > 0 }

// empty reports whether nothing waits.
func (o *output) empty() bool { return len(o.segs) == 0 }

// reset begins a new stream.
func (o *output) reset() {
	o.discard()
	o.queued, o.given, o.wrote = 0, 0, 0
}
