package message

import (
	"bytes"
	"encoding/base64"
	"maps"
	"mime/quotedprintable"
	"slices"
	"strconv"
	"strings"
)

// Leaves of the tree of parts: texts, which are in memory, and attachments, which
// are read later. Here a content transfer encoding is chosen (RFC 2045 §6).

// text makes a text part.
func (c *composition) text(subtype, text string) (part, error) {
	octets, err := c.textOctets(text)
	if err != nil {
		return part{}, err
	}
	charset := c.st.raw.name
	if isASCII(text) {
		charset = asciiCharset.name
	}
	p := part{fields: []field{typeField("text/"+subtype, map[string]string{"charset": charset})}}
	scan := Scanner{body: true}
	scan.scan(octets)
	f := scan.Features()
	name := ""
	switch {
	case f.Check(min(EightBit, c.m.Encoding), true) == nil:
		p.encoding = f.Needs().Encoding
		name = p.encoding.String()
	case c.m.Encoding == Binary:
		p.encoding, name = Binary, Binary.String()
	case escapes(octets) > len(octets)/6:
		name, octets = base64Name, encodeBase64(octets)
	default:
		name, octets = "quoted-printable", encodeQuoted(octets)
	}
	p.fields = append(p.fields, encodingField(name))
	p.segments = []segment{{data: octets}}
	return p, nil
}

// textOctets brings a text into the message's code page, with CRLF line ends.
func (c *composition) textOctets(text string) ([]byte, error) {
	encoded, err := c.st.raw.encode(normalizeLines(text))
	if err != nil {
		return nil, &ContentError{Fault: FaultSource, Part: "text", Err: err}
	}
	return []byte(encoded), nil
}

// normalizeLines makes every line end CRLF.
func normalizeLines(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// attachment makes a part of an attachment.
func (c *composition) attachment(a *Attachment) (part, error) {
	mediaType, params, err := a.mediaType()
	if err != nil {
		return part{}, err
	}
	if err := checkLength("Content-Disposition", a.Name); err != nil {
		return part{}, err
	}
	if a.Content.IsZero() {
		return part{}, &ContentError{Fault: FaultSource, Part: a.Name, Err: errNoContent}
	}
	c.once = c.once || !a.Content.Reopens()
	p := part{fields: []field{typeField(mediaType, params)}}
	s := source{content: a.Content, name: a.Name, boundaries: &c.boundaries}
	name := base64Name
	switch {
	case isComposite(mediaType):
		if p.encoding, err = s.plain(c.m.Encoding); err != nil {
			return part{}, err
		}
		name = p.encoding.String()
	case c.m.Encoding == Binary:
		p.encoding, name = Binary, Binary.String()
		s.binary()
	default:
		s.base64()
	}
	p.segments = []segment{s.segment()}
	p.fields = append(p.fields, encodingField(name))
	disposition := "attachment"
	if a.Inline {
		disposition = "inline"
	}
	var fileName map[string]string
	if a.Name != "" {
		fileName = map[string]string{"filename": a.Name}
	}
	p.fields = append(p.fields, field{"Content-Disposition", parameters(disposition, fileName)})
	if a.ContentID != "" {
		id, err := angleID("Content-ID", a.ContentID)
		if err == nil && !isASCII(id) {
			err = &HeaderError{Field: "Content-ID", Offset: -1, Rule: "want ASCII (RFC 2045 §7)"}
		}
		if err != nil {
			return part{}, err
		}
		p.fields = append(p.fields, field{"Content-ID", []chunk{{text: id}}})
	}
	return p, nil
}

// isComposite reports whether a part of that type may have no encoding but 7bit,
// 8bit and binary (RFC 2046 §5.1 and §5.2.1; for message/global RFC 6532 §3.7).
func isComposite(mediaType string) bool {
	return strings.HasPrefix(mediaType, "multipart/") ||
		strings.HasPrefix(mediaType, "message/") && !strings.HasPrefix(mediaType, "message/global")
}

func typeField(mediaType string, params map[string]string) field {
	return field{"Content-Type", parameters(mediaType, params)}
}

func encodingField(name string) field {
	return field{"Content-Transfer-Encoding", []chunk{{text: name}}}
}

// parameters writes a value with parameters, each on a line of its own if need be.
// What is long or beyond ASCII is written in pieces with percent signs (RFC 2231).
func parameters(value string, params map[string]string) []chunk {
	chunks := []chunk{{text: value}}
	add := func(s string) {
		chunks[len(chunks)-1].text += ";"
		chunks = append(chunks, chunk{text: " " + s})
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		v := params[name]
		if isASCII(v) && len(v) <= maxParameter {
			add(name + "=" + parameterValue(v))
			continue
		}
		pieces := percentPieces(v)
		if len(pieces) == 1 {
			add(name + "*=utf-8''" + pieces[0])
			continue
		}
		for i, piece := range pieces {
			prefix := ""
			if i == 0 {
				prefix = "utf-8''"
			}
			add(name + "*" + strconv.Itoa(i) + "*=" + prefix + piece)
		}
	}
	return chunks
}

// parameterValue writes a token or quoted string (RFC 2045 §5.1).
func parameterValue(v string) string {
	token := v != ""
	for i := 0; i < len(v); i++ {
		token = token && v[i] > ' ' && strings.IndexByte(`()<>@,;:\"/[]?=`, v[i]) < 0
	}
	if token {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// percentPieces encodes v (RFC 2231 §4) and cuts it into pieces of whole
// characters for RFC 2231 §3.
func percentPieces(v string) []string {
	const hex = "0123456789ABCDEF"
	var pieces []string
	var b strings.Builder
	for _, r := range v {
		var one []byte
		for _, c := range []byte(string(r)) {
			if isLetDig(c) || c == '-' || c == '.' || c == '_' {
				one = append(one, c)
			} else {
				one = append(one, '%', hex[c>>4], hex[c&15])
			}
		}
		if b.Len()+len(one) > maxParameter {
			pieces = append(pieces, b.String())
			b.Reset()
		}
		b.Write(one)
	}
	return append(pieces, b.String())
}

// escapes counts the octets that quoted-printable writes as three.
func escapes(p []byte) int {
	n := 0
	for _, c := range p {
		if c > '~' || c == '=' || c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			n++
		}
	}
	return n
}

// encodeQuoted encodes a text with CRLF line ends (RFC 2045 §6.7).
func encodeQuoted(p []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(p) + len(p)/4)
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write(p) // a Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// encodeBase64 encodes p in lines (RFC 2045 §6.8), without a last line end.
func encodeBase64(p []byte) []byte {
	out := make([]byte, 0, base64Extent(int64(len(p))).octets)
	for len(p) > 0 {
		n := min(base64Line, len(p))
		if len(out) > 0 {
			out = append(out, "\r\n"...)
		}
		out = base64.StdEncoding.AppendEncode(out, p[:n])
		p = p[n:]
	}
	return out
}

const (
	base64Name   = "base64"
	maxParameter = 50 // octets of a parameter's value, or of a piece of one, in the header
)
