package queue

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/message"
)

// Entry is a message in the queue: envelope, content, and how it is to be sent.
type Entry struct {
	Envelope  message.Envelope
	Content   message.Content
	Verb      string // "MAIL", or "SEND", "SOML", "SAML"
	MessageID string
	LineEnds  codec.LineEnds
	AsIs      bool   // see parley.Mail
	MayDrop   uint16 // see parley.Mail
	Required  []bool // by recipient
	Queued    time.Time
}

// header is the first line of a file.
type header struct {
	Format      int               `json:"parley"` // 1
	Octets      string            `json:"octets"` // 20 digits, so that it can be filled in afterwards
	SHA256      string            `json:"sha256"` // of the content; 64 digits
	Queued      time.Time         `json:"queued"`
	MessageID   string            `json:"message_id,omitempty"`
	Verb        string            `json:"verb"`
	ReversePath string            `json:"reverse_path"`
	Params      codec.MailParams  `json:"params"`
	Recipients  []headerRecipient `json:"recipients"`
	LineEnds    codec.LineEnds    `json:"line_ends"`
	AsIs        bool              `json:"as_is,omitempty"`
	MayDrop     uint16            `json:"may_drop,omitempty"`
	Features    *message.Features `json:"features"`
}

type headerRecipient struct {
	Path     string                `json:"path"`
	Kind     message.RecipientKind `json:"kind,omitempty"`
	Params   codec.RcptParams      `json:"params"`
	Required bool                  `json:"required,omitempty"`
}

const (
	format    = 1
	maxHeader = 16 << 20 // octets: some hundred thousand recipients
)

// DamagedError says that a file of the queue is not as Put wrote it. It is never sent.
type DamagedError struct {
	Name string
	What string
}

// Error implements error.
func (e *DamagedError) Error() string {
	return "queue: " + strconv.QuoteToASCII(e.Name) + " is damaged: " + e.What
}

func headerOf(e *Entry) *header {
	h := &header{
		Format: format, Octets: fmt.Sprintf("%020d", 0), SHA256: hex.EncodeToString(make([]byte, sha256.Size)), Queued: e.Queued.UTC(), MessageID: e.MessageID,
		Verb: e.Verb, ReversePath: e.Envelope.ReversePath.String(), Params: e.Envelope.Params,
		LineEnds: e.LineEnds, AsIs: e.AsIs, MayDrop: e.MayDrop, Features: e.Content.Features,
	}
	for i := range e.Envelope.Recipients {
		r := &e.Envelope.Recipients[i]
		h.Recipients = append(h.Recipients, headerRecipient{r.Path.String(), r.Kind, r.Params, i < len(e.Required) && e.Required[i]})
	}
	return h
}

// entry is the other way; every path is parsed again.
func (h *header) entry(name string) (*Entry, error) {
	damaged := func(what string) (*Entry, error) { return nil, &DamagedError{name, what} }
	if h.Format != format {
		return damaged("format " + strconv.Itoa(h.Format) + " is not known")
	}
	e := &Entry{
		Verb: h.Verb, MessageID: h.MessageID, LineEnds: h.LineEnds, AsIs: h.AsIs, MayDrop: h.MayDrop, Queued: h.Queued,
	}
	path, err := message.ParsePath(h.ReversePath)
	if err != nil {
		return damaged("reverse-path: " + err.Error())
	}
	e.Envelope = message.Envelope{ReversePath: path, Params: h.Params}
	for _, r := range h.Recipients {
		path, err := message.ParsePath(r.Path)
		if err != nil || path.IsNull() {
			return damaged("recipient " + strconv.QuoteToASCII(r.Path))
		}
		e.Envelope.Recipients = append(e.Envelope.Recipients, message.Recipient{Path: path, Kind: r.Kind, Params: r.Params})
		e.Required = append(e.Required, r.Required)
	}
	if len(e.Envelope.Recipients) == 0 {
		return damaged("it has no recipient")
	}
	return e, nil
}

// newBase returns a name that sorts by time.
func newBase(now time.Time) string {
	var b [8]byte
	rand.Read(b[:])
	return now.UTC().Format("20060102-150405") + fmt.Sprintf("-%09d-", now.Nanosecond()) + hex.EncodeToString(b[:])
}

// write makes a complete file under a temporary name and returns that.
func write(ctx context.Context, d files, base string, h *header, content io.Reader) (temp string, err error) {
	temp = base + ".tmp"
	f, err := d.create(temp)
	if err != nil {
		return "", err
	}
	defer func() {
		if f != nil {
			f.Close()
		}
		if err != nil {
			d.remove(temp)
		}
	}()
	line, err := json.Marshal(h)
	if err != nil {
		return temp, err
	}
	line = append(line, '\n', '\n')
	w := bufio.NewWriterSize(f, 64<<10)
	if _, err := w.Write(line); err != nil {
		return temp, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), &cancelled{ctx, content})
	if err != nil {
		return temp, err
	}
	if err := w.Flush(); err != nil {
		return temp, err
	}
	h.Octets, h.SHA256 = fmt.Sprintf("%020d", n), hex.EncodeToString(sum.Sum(nil))
	filled, err := json.Marshal(h)
	if err != nil {
		return temp, err
	}
	if len(filled) != len(line)-2 {
		return temp, errors.New("queue: the header changed its length")
	}
	if _, err := f.WriteAt(filled, 0); err != nil {
		return temp, err
	}
	if err := f.Sync(); err != nil {
		return temp, err
	}
	err = f.Close()
	f = nil
	return temp, err
}

// cancelled reads until the context is done.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// read opens a file and returns its header, and where the content begins.
func read(d files, name string) (f file, h *header, start int64, err error) {
	f, err = d.open(name)
	if err != nil {
		return nil, nil, 0, err
	}
	h, start, err = parse(name, f)
	if err != nil {
		f.Close()
		return nil, nil, 0, err
	}
	return f, h, start, nil
}

// parse reads the header of a file.
func parse(name string, r io.Reader) (h *header, start int64, err error) {
	br := bufio.NewReaderSize(io.LimitReader(r, maxHeader), 64<<10)
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, 0, &DamagedError{name, "its first line does not end"}
		}
	}
	if b, err := br.ReadByte(); err != nil || b != '\n' {
		return nil, 0, &DamagedError{name, "there is no empty line behind the first one"}
	}
	h = &header{}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(h); err != nil {
		return nil, 0, &DamagedError{name, "its first line cannot be read: " + err.Error()}
	}
	return h, int64(len(line)) + 1, nil
}

// octets returns the length of the content that the header tells.
func (h *header) octets() (int64, error) {
	n, err := strconv.ParseInt(h.Octets, 10, 64)
	if err == nil && n < 0 {
		err = errors.New("negative")
	}
	return n, err
}

// check reads the whole content and compares it with the header: what was cut short or
// changed is never sent.
func (h *header) check(ctx context.Context, name string, f file, start int64) error {
	n, err := h.octets()
	if err != nil {
		return &DamagedError{name, "its length cannot be read"}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != start+n {
		return &DamagedError{name, fmt.Sprintf("it has %d octets of content and should have %d", info.Size()-start, n)}
	}
	var sum hash.Hash = sha256.New()
	if _, err := io.Copy(sum, &cancelled{ctx, io.NewSectionReader(f, start, n)}); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != h.SHA256 {
		return &DamagedError{name, "its content has changed"}
	}
	return nil
}
