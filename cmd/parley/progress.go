package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
)

// bar shows how far the content is: octets, rate and the time left.
type bar struct {
	mu    sync.Mutex
	w     io.Writer
	total int64 // -1: not known
	begun time.Time
	drawn time.Time
	wide  int
	shown bool
}

// longWork is from when on there is something to show.
const longWork = 1 << 20

// bar returns a progress bar, or nil if none is wanted: one is for a terminal and for
// content that takes a while.
func (f *sendFlags) bar(m *parley.Mail) *bar {
	total := m.Content.Size
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	if f.progress == "never" || f.progress == "auto" && (!terminal || f.quiet || f.trace || total >= 0 && total < longWork) {
		return nil
	}
	b := &bar{w: os.Stderr, total: total, wide: 80}
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && w > 20 {
		b.wide = w
	}
	return b
}

func (b *bar) handle(e events.Event) {
	t, ok := e.(*events.Transfer)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.begun.IsZero() {
		b.begun = now
	}
	if now.Sub(b.drawn) < 100*time.Millisecond && t.PercentDone != 100 {
		return
	}
	b.drawn, b.shown = now, true
	fmt.Fprint(b.w, "\r"+b.line(t.BytesTransferred, t.PercentDone, now.Sub(b.begun)))
}

// line is one drawing.
func (b *bar) line(done int64, percent int, took time.Duration) string {
	rate := float64(done) / max(took.Seconds(), 0.001)
	text := fmt.Sprintf(" %s  %s/s", size(done), size(int64(rate)))
	if percent < 0 {
		return fmt.Sprintf("%-*s", b.wide-1, "sending"+text)
	}
	if b.total > done && rate > 0 {
		left := time.Duration(float64(b.total-done)/rate) * time.Second
		text += "  " + left.Round(time.Second).String() + " left"
	}
	text = fmt.Sprintf(" %3d %%%s", percent, text)
	room := max(b.wide-len(text)-3, 0)
	full := room * percent / 100
	return fmt.Sprintf("%-*s", b.wide-1, "["+strings.Repeat("#", full)+strings.Repeat(" ", room-full)+"]"+text)
}

func (b *bar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown {
		fmt.Fprintln(b.w)
	}
}

// size writes octets for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
