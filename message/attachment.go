package message

import (
	"io"
	"io/fs"
	"mime"
	"path"
	"path/filepath"
	"strings"
)

// Attachment is a part of a message beside its text. Its content is read when the
// message is written, piece by piece.
type Attachment struct {
	Name      string  // file name shown to the reader; may be empty
	Type      string  // media type, with parameters if need be; "": by Name's extension, or application/octet-stream
	ContentID string  // for references from HTML as "cid:..." (RFC 2392); angle brackets are added if missing
	Inline    bool    // shown within the message (RFC 2183 §2.1); with a ContentID it goes together with HTML
	Content   Content // the octets; required
}

// AttachBytes attaches b, which must not change while the message is in use.
func AttachBytes(name string, b []byte) Attachment {
	return Attachment{Name: name, Content: FromBytes(b)}
}

// AttachReader attaches what r gives; it can be sent once. The size is -1 if
// unknown.
func AttachReader(name string, r io.Reader, size int64) Attachment {
	return Attachment{Name: name, Content: FromReader(r, size)}
}

// AttachFile attaches a file under its base name.
func AttachFile(name string) (Attachment, error) {
	c, err := FromFile(name)
	return Attachment{Name: filepath.Base(name), Content: c}, err
}

// AttachFS attaches a file of fsys under its base name.
func AttachFS(fsys fs.FS, name string) (Attachment, error) {
	c, err := FromFS(fsys, name)
	return Attachment{Name: path.Base(name), Content: c}, err
}

// mediaType returns the type and parameters of the attachment.
func (a *Attachment) mediaType() (string, map[string]string, error) {
	if a.Type != "" {
		if err := checkLength("Content-Type", a.Type); err != nil {
			return "", nil, err
		}
		t, params, err := mime.ParseMediaType(a.Type)
		if err != nil || !strings.Contains(t, "/") {
			return "", nil, &HeaderError{
				Field: "Content-Type", Offset: 0, Value: clipAt(a.Type, 0),
				Rule: "no media type (RFC 2045 §5.1)", Err: err,
			}
		}
		for _, value := range params { // percent signs (RFC 2231) may have hidden anything
			if err := checkLength("Content-Type", value); err != nil {
				return "", nil, err
			}
		}
		return t, params, nil
	}
	if t, _, err := mime.ParseMediaType(mime.TypeByExtension(path.Ext(a.Name))); err == nil {
		return t, nil, nil
	}
	return "application/octet-stream", nil, nil
}
