package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/parley-mail/parley/message"
)

// Outcome is what became of a message for one recipient.
type Outcome struct {
	Path      string
	Status    Status
	Temporary bool   // it may be tried again
	Reason    string // why, unless it was accepted
}

// Status is the word for it.
type Status uint8

// The statuses. Only Accepted takes a recipient out of a file, and only NotSent and
// Refused let one be sent again.
const (
	NotSent Status = iota
	Accepted
	Refused
	StatusUnknown
)

// Sender sends one message. It may read the content of the entry once; when the reader
// has said io.EOF the message counts as offered, so it must not read ahead of what it
// sends by more than it must. It returns one outcome per recipient, in order; with an
// error and no outcomes nothing was sent.
type Sender interface {
	Send(ctx context.Context, e *Entry) ([]Outcome, error)
}

// SenderFunc is a function as a Sender.
type SenderFunc func(ctx context.Context, e *Entry) ([]Outcome, error)

// Send implements Sender.
func (f SenderFunc) Send(ctx context.Context, e *Entry) ([]Outcome, error) { return f(ctx, e) }

// Options say how Process goes about it. The zero value stops at the first failure and
// removes what was sent.
type Options struct {
	Keep             bool // rename what was sent to .sent instead of removing it
	ContinueOnError  bool // go on with the next file
	RequeueTemporary bool // put back what failed for now only
	// Done is told about each file, if set.
	Done func(Result)
}

// Result is what became of one file.
type Result struct {
	Name     string // as it was
	State    State  // what it is now; Sent also if it was removed
	Outcomes []Outcome
	Err      error
}

// Report counts what Process did.
type Report struct {
	Sent, Failed, Unknown, Requeued, Skipped int
}

// FailedError is why Process stopped: a message that was not accepted by everybody.
type FailedError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *FailedError) Error() string { return "queue: " + e.Name + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FailedError) Unwrap() error { return e.Err }

// Process sends every queued message of dir, the oldest first. Several processes may do so
// at once. An error that is no FailedError is one of the directory or the context.
func Process(ctx context.Context, dir string, s Sender, o Options) (*Report, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return process(ctx, d, s, o)
}

func process(ctx context.Context, d files, s Sender, o Options) (*Report, error) {
	report := &Report{}
	names, err := d.list()
	if err != nil {
		return report, err
	}
	for _, name := range names {
		base, state, ok := split(name)
		if !ok || state != Queued {
			continue
		}
		if err := ctx.Err(); err != nil {
			return report, err
		}
		r, err := one(ctx, d, s, o, name, base)
		if errors.Is(err, errTaken) {
			report.Skipped++
			continue
		}
		switch r.State {
		case Sent:
			report.Sent++
		case Failed:
			report.Failed++
		case Unknown:
			report.Unknown++
		case Queued:
			report.Requeued++
		}
		r.Err = err
		if o.Done != nil {
			o.Done(r)
		}
		if err != nil && (!o.ContinueOnError || !isFailure(err)) {
			return report, err
		}
	}
	return report, nil
}

var errTaken = errors.New("queue: somebody else has it")

func isFailure(err error) bool {
	var f *FailedError
	return errors.As(err, &f)
}

// one sends one file. In every step before the content's end goes out it can be undone by
// renaming, and afterwards the name says that it cannot.
func one(ctx context.Context, d files, s Sender, o Options, name, base string) (Result, error) {
	r := Result{Name: name, State: Queued}
	sending := base + "." + string(Sending)
	if err := d.rename(name, sending); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
			return r, errTaken
		}
		return r, err
	}
	if _, err := d.stat(base + "." + string(Offering)); err == nil { // superseded; see supersede
		if err := d.remove(base + "." + string(Offering)); err != nil {
			return r, err
		}
	}
	f, h, start, err := read(d, sending)
	if err == nil {
		defer f.Close()
		err = h.check(ctx, sending, f, start)
	}
	var e *Entry
	if err == nil {
		e, err = h.entry(sending)
	}
	if err != nil {
		return giveBack(ctx, d, r, sending, base, err)
	}
	octets, _ := h.octets()
	offer := &offer{d: d, from: sending, to: base + "." + string(Offering)}
	e.Content = message.Content{Features: h.Features, Size: octets, Open: func() (io.ReadCloser, error) {
		if offer.opened {
			return nil, errors.New("queue: the content is read once")
		}
		offer.opened = true
		return io.NopCloser(&offered{r: io.NewSectionReader(f, start, octets), offer: offer}), nil
	}}
	outcomes, err := s.Send(ctx, e)
	r.Outcomes = outcomes
	if len(outcomes) != len(e.Envelope.Recipients) {
		if offer.done {
			return unknown(d, r, offer.to, base, cause(err))
		}
		return giveBack(ctx, d, r, sending, base, cause(err))
	}
	at := sending
	if offer.done {
		at = offer.to
	}
	return decide(ctx, d, o, r, e, h, f, start, octets, at, base, err)
}

func cause(err error) error {
	if err == nil {
		return errors.New("the sender did not say what became of the recipients")
	}
	return err
}

// giveBack undoes a claim: nothing was sent. A damaged file fails; one that could not be
// sent because the context ended is queued again.
func giveBack(ctx context.Context, d files, r Result, at, base string, err error) (Result, error) {
	to, reason := Failed, err.Error()
	if ctx.Err() != nil {
		to, reason = Queued, ""
	}
	r.State = to
	if serr := settle(d, at, base, to, reason); serr != nil {
		return r, errors.Join(serr, err)
	}
	return r, errors.Join(d.sync(), &FailedError{r.Name, err})
}

func unknown(d files, r Result, at, base string, err error) (Result, error) {
	r.State = Unknown
	if serr := settle(d, at, base, Unknown, err.Error()); serr != nil {
		return r, errors.Join(serr, err)
	}
	return r, errors.Join(d.sync(), &FailedError{r.Name, err})
}

// decide gives the file the name that the outcomes ask for. Recipients that were accepted
// are taken out of it first.
func decide(ctx context.Context, d files, o Options, r Result, e *Entry, h *header, f file, start, octets int64, at, base string, err error) (Result, error) {
	var rest []headerRecipient
	temporary, unsure := true, false
	var reasons []string
	for i, out := range r.Outcomes {
		if out.Status == Accepted {
			continue
		}
		rest = append(rest, h.Recipients[i])
		temporary = temporary && out.Temporary && out.Status != StatusUnknown
		unsure = unsure || out.Status == StatusUnknown
		reasons = append(reasons, h.Recipients[i].Path+": "+out.Reason)
	}
	if len(rest) == 0 {
		return sent(d, o, r, at, base)
	}
	why := errors.New(strings.Join(reasons, "; "))
	if err == nil {
		err = why
	}
	to := Failed
	switch {
	case unsure:
		to = Unknown
	case temporary && o.RequeueTemporary, ctx.Err() != nil && at == base+"."+string(Sending):
		to = Queued
	}
	r.State = to
	reason := strings.Join(reasons, "\n")
	if to == Queued {
		reason = ""
	}
	var serr error
	if len(rest) < len(h.Recipients) {
		serr = supersede(d, h, rest, to, reason, f, start, octets, at, base)
	} else {
		serr = settle(d, at, base, to, reason)
	}
	if serr != nil {
		return r, errors.Join(serr, err)
	}
	return r, errors.Join(d.sync(), &FailedError{r.Name, err})
}

// supersede puts a file with fewer recipients in the place of one. As soon as the new one
// has its name the old one means nothing any more; whoever finds both removes the old.
func supersede(d files, h *header, rest []headerRecipient, to State, reason string, f file, start, octets int64, at, base string) error {
	next := *h
	next.Recipients = rest
	next.Octets = fmt.Sprintf("%020d", 0)
	temp, err := write(context.Background(), d, base, &next, io.NewSectionReader(f, start, octets))
	if err != nil {
		return err
	}
	if err := settle(d, temp, base, to, reason); err != nil {
		d.remove(temp)
		return err
	}
	if err := d.sync(); err != nil {
		return err
	}
	return d.remove(at)
}

func sent(d files, o Options, r Result, at, base string) (Result, error) {
	r.State = Sent
	var err error
	if o.Keep {
		err = d.rename(at, base+"."+string(Sent))
	} else {
		err = d.remove(at)
	}
	d.remove(base + ".reason")
	return r, errors.Join(err, d.sync())
}

// offer is the step from .sending to .offering.
type offer struct {
	d            files
	from, to     string
	opened, done bool
}

// offered is the content of a file. Before it says io.EOF, so before anybody can send the
// end of the message, the file's name says that this may happen, and that is on disk.
type offered struct {
	r     io.Reader
	offer *offer
}

func (o *offered) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if !errors.Is(err, io.EOF) || o.offer.done {
		return n, err
	}
	if err := o.offer.d.rename(o.offer.from, o.offer.to); err != nil {
		return 0, fmt.Errorf("queue: the message cannot be marked as offered: %w", err)
	}
	o.offer.done = true
	if err := o.offer.d.sync(); err != nil {
		return 0, fmt.Errorf("queue: the message cannot be marked as offered: %w", err)
	}
	return n, io.EOF
}
