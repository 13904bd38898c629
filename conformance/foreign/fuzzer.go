package foreign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// Fuzzer looks for what is wrong with a client. It begins with plans that go wrong in each
// way at each kind of command, and goes on with changes of those by which the client did
// something new. Several goroutines may use it.
type Fuzzer struct {
	client Client
	dir    string // of the message, and of what clients write

	mu    sync.Mutex
	plans *conformance.Corpus
	first [][]byte
	seen  map[string]bool // what the client has done
	found map[string]bool // keys of faults
	sum   Sum
}

// message is the name of the file with the message.
const message = "message"

// Sum is what has come of all sessions so far.
type Sum struct {
	Sessions int64
	First    int           // plans that are still to be played before any is changed
	Turns    int           // different turns that dialogues have taken
	Shaky    int64         // faults that did not show again
	Accepted int64         // sessions in which the client says that the message is accepted
	Foreign  map[int]int64 // sessions that ended by exit codes that the contract does not know
}

// New returns a fuzzer whose plans follow from the seed, if one goroutine uses it and the
// client always does the same.
func New(c Client, seed uint64) (*Fuzzer, error) {
	var err error
	if c.command, err = NewCommand(c.Command, Placeholders(), c.Env...); err != nil {
		return nil, err
	}
	c.Patience, c.Idle, c.Memory = cmp.Or(c.Patience, defaultPatience), cmp.Or(c.Idle, defaultIdle), cmp.Or(c.Memory, defaultMemory)
	c.Effort = cmp.Or(c.Effort, defaultEffort)
	c.limit = math.MaxInt64 // until Control has found out what is usual
	f := &Fuzzer{client: c, plans: conformance.NewCorpus(seed), first: conformance.ProvokerPlans(seed), seen: map[string]bool{}, found: map[string]bool{}}
	f.sum.Foreign = map[int]int64{}
	if f.dir, err = os.MkdirTemp("", "parley-fuzz-"); err != nil {
		return nil, err
	}
	// A client may run as somebody else.
	if err = os.WriteFile(filepath.Join(f.dir, message), []byte(content), 0o644); err == nil {
		err = os.Chmod(f.dir, 0o777)
	}
	return f, err
}

// Close removes what New has made.
func (f *Fuzzer) Close() error { return os.RemoveAll(f.dir) }

// lawful are plans by which nothing goes wrong: a server that offers nothing, and one that
// offers much.
var lawful = [][]byte{{0, 0}, {0, 1}}

// Control has the client send the message to servers that do nothing wrong, and notes how
// much memory that takes. An error says why such a client cannot be fuzzed. It comes
// before all else.
func (f *Fuzzer) Control(ctx context.Context) error {
	most := int64(0)
	patient := f.client
	patient.Idle = startup
	for _, plan := range lawful {
		p, err := patient.play(ctx, plan, f.dir)
		if err != nil {
			return err
		}
		e, truth := p.exit, p.server.Truth
		why := ""
		switch fault := p.fault(); {
		case !truth.Connected:
			why = "it does not come to {host}:{port}"
		case fault != nil:
			why = fault.Text
		case e.Code != CodeAccepted:
			why = fmt.Sprintf("exit code %d", e.Code)
		}
		if why != "" {
			return fmt.Errorf("the client does not send a message to a server that does nothing wrong: %s\n%s%s", why, e.Stdout, e.Stderr)
		}
		most = max(most, e.Memory)
	}
	f.client.limit = most + f.client.Memory
	return nil
}

// Sum returns what has come of all sessions so far.
func (f *Fuzzer) Sum() Sum {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sum
	s.First, s.Turns, s.Foreign = len(f.first), len(f.seen), maps.Clone(s.Foreign)
	return s
}

// Next plays one session. It returns nil if nothing new is wrong with it; an error if the
// client cannot be run.
func (f *Fuzzer) Next(ctx context.Context) (*Finding, error) {
	plan := f.plan()
	p, err := f.play(ctx, plan)
	if err != nil {
		return nil, err
	}
	f.note(plan, p)
	fault := p.fault()
	if fault == nil || !f.claim(fault.key) {
		return nil, nil
	}
	x, err := f.examine(ctx, plan, fault)
	switch {
	case errors.Is(err, errKnown):
		return nil, nil
	case x == nil && err == nil:
		f.mu.Lock()
		f.sum.Shaky++
		delete(f.found, fault.key) // it may show by another plan
		f.mu.Unlock()
	}
	return x, err
}

func (f *Fuzzer) plan() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.first) == 0 {
		return f.plans.Next()
	}
	plan := f.first[0]
	f.first = f.first[1:]
	return plan
}

// Replay plays one plan, three times if it shows a fault, as a finding must.
func (f *Fuzzer) Replay(ctx context.Context, plan []byte) (*Finding, error) {
	p, err := f.play(ctx, plan)
	if err != nil {
		return nil, err
	}
	fault := p.fault()
	if fault == nil || !f.steady(ctx, plan, fault.Kind) {
		return nil, nil
	}
	return f.finding(plan, p)
}

func (f *Fuzzer) play(ctx context.Context, plan []byte) (*play, error) {
	p, err := f.client.play(ctx, plan, f.dir)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum.Sessions++
	switch e := p.exit; {
	case e.Code == CodeAccepted:
		f.sum.Accepted++
	case !e.Foreseen() && !e.Hung && e.Crash == "":
		f.sum.Foreign[e.Code]++
	}
	return p, nil
}

// note keeps a plan by which the client did something new.
func (f *Fuzzer) note(plan []byte, p *play) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.seen)
	trail := append([]string{"begin"}, p.server.Trail...)
	trail = append(trail, fmt.Sprintf("exit %d", p.exit.Code))
	for i := 1; i < len(trail); i++ {
		f.seen[trail[i-1]+", "+trail[i]] = true
	}
	if len(f.seen) > before {
		f.plans.Keep(plan)
	}
}

// claim reports whether a fault is a new one.
func (f *Fuzzer) claim(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found[key] {
		return false
	}
	f.found[key] = true
	return true
}

// examine makes sure of a fault, and makes its plan as short as it can be in time. It
// returns nil if the fault does not show three times of three.
func (f *Fuzzer) examine(ctx context.Context, plan []byte, fault *Fault) (*Finding, error) {
	if !f.steady(ctx, plan, fault.Kind) {
		return nil, ctx.Err()
	}
	until := time.Now().Add(f.client.Effort)
	shows := func(less []byte) bool { return time.Now().Before(until) && f.shows(ctx, less, fault.Kind) }
	less := plan
	for n := 2; n < len(plan); n += (n + 1) / 2 { // most plans go wrong at their beginning
		if shows(plan[:n]) {
			less = plan[:n]
			break
		}
	}
	less = conformance.Minimize(less, shows)
	if f.steady(ctx, less, fault.Kind) {
		plan = less
	}
	for range 3 { // it was steady a moment ago
		p, err := f.play(ctx, plan)
		if err != nil {
			return nil, err
		}
		if again := p.fault(); again != nil && again.Kind == fault.Kind {
			if again.key != fault.key && !f.claim(again.key) {
				return nil, errKnown
			}
			return f.finding(plan, p)
		}
	}
	return nil, nil
}

// errKnown says that a fault, made small, is one that was found before.
var errKnown = errors.New("the fault is known")

// steady reports whether a plan shows a fault of that kind three times of three.
func (f *Fuzzer) steady(ctx context.Context, plan []byte, kind Kind) bool {
	for range 3 {
		if !f.shows(ctx, plan, kind) {
			return false
		}
	}
	return true
}

func (f *Fuzzer) shows(ctx context.Context, plan []byte, kind Kind) bool {
	p, err := f.play(ctx, plan)
	if err != nil {
		return false
	}
	fault := p.fault()
	return fault != nil && fault.Kind == kind
}
