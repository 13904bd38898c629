package sink

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
)

// Store keeps messages. Its methods are called by the sessions' goroutines, several
// at a time. An error refuses the message: a [Reply] is sent as it is, anything else
// as 451 4.3.0.
type Store interface {
	// Open is called when content is about to come. The envelope is valid, and does
	// not change, until Commit or Abort.
	Open(*Envelope) (Writer, error)
}

// Writer takes the content of one message as it was sent, octet by octet, without
// the dots of RFC 5321 §4.5.2. It is ended by either Commit or Abort.
type Writer interface {
	io.Writer
	// Commit makes the message the store's responsibility; its error refuses it. The
	// envelope is that of Open, less the recipients that were refused after the
	// content.
	Commit(*Envelope) error
	// Abort forgets the message: it was refused or never ended.
	Abort()
}

// Message is a message that was taken.
type Message struct {
	Envelope
	Content []byte
}

// Paths returns the recipients' paths.
func (m *Message) Paths() []string {
	paths := make([]string, len(m.Recipients))
	for i, r := range m.Recipients {
		paths[i] = r.Path
	}
	return paths
}

// Func is a [Store] that hands every message to a function, which may keep it.
type Func func(*Message) error

// Open implements [Store].
func (f Func) Open(*Envelope) (Writer, error) { return &gathering{done: f}, nil }

type gathering struct {
	bytes.Buffer
	done Func
}

func (g *gathering) Commit(e *Envelope) error {
	return g.done(&Message{Envelope: *e, Content: g.Bytes()})
}

func (g *gathering) Abort() {}

// Memory is a [Store] that keeps messages in memory. The zero value is ready.
type Memory struct {
	mu       sync.Mutex
	messages []*Message
	added    chan struct{} // closed and replaced when a message comes
}

// Open implements [Store].
func (m *Memory) Open(*Envelope) (Writer, error) { return &gathering{done: m.add}, nil }

func (m *Memory) add(msg *Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, msg)
	if m.added != nil {
		close(m.added)
		m.added = nil
	}
	return nil
}

// Messages returns the messages kept, oldest first.
func (m *Memory) Messages() []*Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

// Reset forgets all messages.
func (m *Memory) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = nil
}

// Wait returns once n messages are kept, or with the context's error and what there
// is.
func (m *Memory) Wait(ctx context.Context, n int) ([]*Message, error) {
	for {
		m.mu.Lock()
		got := slices.Clone(m.messages)
		if m.added == nil {
			m.added = make(chan struct{})
		}
		added := m.added
		m.mu.Unlock()
		if len(got) >= n {
			return got, nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}
