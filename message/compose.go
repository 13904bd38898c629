package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strings"
)

// Composing turns a Message into a header section and a list of segments of its
// body. Parts in memory are encoded here; attachments stay readers until the
// content is opened. Nothing about a transport is known here but Message.Encoding.

// Content returns the message as it will be sent: composed, or Raw without what
// must not leave. The content can be opened again, with the same octets each time,
// if those of the attachments and of Raw can. Its Size is -1 and its Features have
// Octets, WireOctets and Lines of -1 if one of their sizes is unknown.
//
// Features are nil only for a Raw content that can be read once and came without.
func (m *Message) Content() (Content, error) {
	if !m.Raw.IsZero() {
		return m.rawContent()
	}
	c, err := m.compose()
	if err != nil {
		return Content{}, err
	}
	return c.content(), nil
}

// composition is a message taken apart for writing.
type composition struct {
	m          *Message
	st         style
	head       []byte
	segments   []segment // the body
	once       bool      // an attachment can be read once only
	seed       []byte    // of boundaries
	boundaries []string
}

// segment is a run of octets of the body, in memory or to be read.
type segment struct {
	data []byte
	open func() (io.ReadCloser, error) // nil: data
	is   extent                        // of what open gives
}

// part is a MIME entity: its Content- fields, its body, and what that needs.
type part struct {
	fields   []field
	segments []segment
	encoding Encoding
}

func (m *Message) compose() (*composition, error) {
	c := &composition{m: m}
	var err error
	if c.st, err = m.style(); err != nil {
		return nil, err
	}
	callers, err := m.callersMIME()
	if err != nil {
		return nil, err
	}
	var root part
	if callers {
		octets, err := c.textOctets(m.Text)
		if err != nil {
			return nil, err
		}
		root.segments = []segment{{data: octets}}
	} else {
		if c.seed, err = m.random(); err != nil {
			return nil, err
		}
		if root, err = c.body(); err != nil {
			return nil, err
		}
		root.fields = append([]field{{"MIME-Version", []chunk{{text: "1.0"}}}}, root.fields...)
	}
	c.segments = root.segments
	if m.RawHeaders != "" {
		c.head, err = checkRawHeaders(m.RawHeaders)
		return c, err
	}
	fields, err := m.fields(&c.st, root.fields)
	if err != nil {
		return nil, err
	}
	c.head, err = appendFields(nil, fields, c.st.limit)
	return c, err
}

// callersMIME reports whether the caller describes the body himself, by
// RawHeaders or MIME fields in OtherHeaders.
func (m *Message) callersMIME() (bool, error) {
	name := "RawHeaders"
	if m.RawHeaders == "" {
		i := slices.IndexFunc(m.OtherHeaders, func(f HeaderField) bool {
			return strings.EqualFold(f.Name, "MIME-Version") || strings.EqualFold(f.Name, "Content-Type") ||
				strings.EqualFold(f.Name, "Content-Transfer-Encoding")
		})
		if i < 0 {
			return false, nil
		}
		name = m.OtherHeaders[i].Name
	}
	if m.HTML != "" || len(m.Attachments) > 0 {
		return true, &HeaderError{Field: name, Offset: -1, Rule: "describes the body, so there can be Text only, no HTML and no attachments"}
	}
	return true, nil
}

// appendFields appends fields in folded lines.
func appendFields(dst []byte, fields []field, limit int) ([]byte, error) {
	var err error
	for i := range fields {
		if dst, err = fields[i].appendTo(dst, limit); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// body builds the tree of parts:
//
//	mixed( alternative( text, related( html, inline... ) ), attachment... )
//
// leaving out every level with a single part.
func (c *composition) body() (part, error) {
	m := c.m
	var texts, attached []part
	if m.Text != "" || m.HTML == "" && len(m.Attachments) == 0 {
		p, err := c.text("plain", m.Text)
		if err != nil {
			return part{}, err
		}
		texts = append(texts, p)
	}
	var related []part
	if m.HTML != "" {
		p, err := c.text("html", m.HTML)
		if err != nil {
			return part{}, err
		}
		related = append(related, p)
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		p, err := c.attachment(a)
		if err != nil {
			return part{}, err
		}
		if a.Inline && a.ContentID != "" && m.HTML != "" {
			related = append(related, p)
		} else {
			attached = append(attached, p)
		}
	}
	if len(related) > 0 {
		p, err := c.multipart("related", related, map[string]string{"type": "text/html"})
		if err != nil {
			return part{}, err
		}
		texts = append(texts, p)
	}
	var mixed []part
	if len(texts) > 0 {
		p, err := c.multipart("alternative", texts, nil)
		if err != nil {
			return part{}, err
		}
		mixed = append(mixed, p)
	}
	if len(mixed) == 0 && len(attached) == 1 {
		return c.wrap("mixed", attached, nil) // a lone attachment stays one
	}
	return c.multipart("mixed", append(mixed, attached...), nil)
}

// multipart joins parts; a single one stays as it is.
func (c *composition) multipart(subtype string, parts []part, params map[string]string) (part, error) {
	if len(parts) == 1 {
		return parts[0], nil
	}
	return c.wrap(subtype, parts, params)
}

// wrap makes a multipart entity (RFC 2046 §5.1).
func (c *composition) wrap(subtype string, parts []part, params map[string]string) (part, error) {
	boundary, err := c.boundary(parts)
	if err != nil {
		return part{}, err
	}
	var out part
	all := map[string]string{"boundary": boundary}
	maps.Copy(all, params)
	delimiter := "--" + boundary + "\r\n"
	for i, p := range parts {
		head := []byte(delimiter)
		if i > 0 {
			head = []byte("\r\n" + delimiter)
		}
		if head, err = appendFields(head, p.fields, c.st.limit); err != nil {
			return part{}, err
		}
		out.segments = append(out.segments, segment{data: append(head, "\r\n"...)})
		out.segments = append(out.segments, p.segments...)
		out.encoding = max(out.encoding, p.encoding)
	}
	out.segments = append(out.segments, segment{data: []byte("\r\n--" + boundary + "--\r\n")})
	out.fields = []field{typeField("multipart/"+subtype, all)}
	if out.encoding > SevenBit {
		out.fields = append(out.fields, encodingField(out.encoding.String()))
	}
	return out, nil
}

// boundary draws a boundary that none of the parts in memory holds. Those that are
// read later are watched for it.
func (c *composition) boundary(parts []part) (string, error) {
	for range maxDraws {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(slices.Clone(c.seed), uint64(len(c.boundaries))))
		b := "=_" + hex.EncodeToString(sum[:16]) // "=_" is in no quoted-printable and no base64
		c.boundaries = append(c.boundaries, b)
		if !holds(parts, []byte(b)) {
			return b, nil
		}
	}
	return "", &ContentError{Fault: FaultBoundary}
}

func holds(parts []part, b []byte) bool {
	for _, p := range parts {
		for _, s := range p.segments {
			if bytes.Contains(s.data, b) {
				return true
			}
		}
	}
	return false
}

// content makes a Content of the composition.
func (c *composition) content() Content {
	segments := slices.Concat([]segment{{data: append(c.head, "\r\n"...)}}, c.segments)
	// Of texts, the last line gets its end; multiparts have theirs.
	if n := len(segments); len(segments[n-1].data) > 0 && !bytes.HasSuffix(segments[n-1].data, []byte("\r\n")) {
		segments = append(segments, segment{data: []byte("\r\n")})
	}
	var s Scanner
	for i := range segments {
		if segments[i].open == nil {
			s.scan(segments[i].data)
		} else {
			s.skip(segments[i].is)
		}
	}
	f := s.Features()
	out := Content{Size: f.Octets, Features: &f, once: c.once}
	if slices.ContainsFunc(segments, func(s segment) bool { return s.open != nil }) {
		out.Open = func() (io.ReadCloser, error) { return &segmentReader{rest: segments}, nil }
		return out
	}
	data := make([][]byte, len(segments))
	for i := range segments {
		data[i] = segments[i].data
	}
	out.memory = bytes.Join(data, nil)
	out.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.memory)), nil }
	return out
}

// segmentReader reads segments one after the other.
type segmentReader struct {
	rest    []segment
	offset  int           // into rest[0].data
	current io.ReadCloser // rest[0], opened
	err     error         // sticks
}

func (r *segmentReader) Read(p []byte) (int, error) {
	for r.err == nil && len(r.rest) > 0 {
		s := &r.rest[0]
		if s.open == nil {
			n := copy(p, s.data[r.offset:])
			if r.offset += n; n > 0 || len(p) == 0 {
				return n, nil
			}
			r.rest, r.offset = r.rest[1:], 0
			continue
		}
		if r.current == nil {
			if r.current, r.err = s.open(); r.err != nil {
				break
			}
		}
		n, err := r.current.Read(p)
		if err == io.EOF {
			err = r.Close()
			r.rest = r.rest[1:]
		}
		r.err = err
		if n > 0 {
			return n, nil
		}
		if len(p) == 0 {
			break
		}
	}
	if r.err == nil && len(r.rest) == 0 {
		return 0, io.EOF
	}
	return 0, r.err
}

// Close closes the attachment that is being read.
func (r *segmentReader) Close() error {
	if r.current == nil {
		return nil
	}
	err := r.current.Close()
	r.current = nil
	return err
}

const maxDraws = 64 // more boundaries than that are not drawn for one multipart
