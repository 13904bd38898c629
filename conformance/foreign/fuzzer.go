package foreign

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// Fuzzer looks for what is wrong with a client. It begins with plans that go wrong in each
// way at each kind of command, and goes on with changes of those by which the client did
// something new. Several goroutines may use it.
type Fuzzer struct {
	client Client
	dir    string

	mu     sync.Mutex
	plans  *conformance.Corpus
	first  [][]byte
	seen   map[string]bool // what the client has done
	found  map[string]bool // keys of faults
	played atomic.Int64
	shaky  atomic.Int64
}

// Finding is a fault, with the shortest plan found that shows it.
type Finding struct {
	Fault
	Plan   []byte
	Script *smtpt.Script // the session as a case
	Output string        // the end of what the client wrote to standard error
}

// New returns a fuzzer whose plans follow from the seed, if one goroutine uses it and the
// client always does the same.
func New(c Client, seed uint64) (*Fuzzer, error) {
	if _, err := c.line(); err != nil {
		return nil, err
	}
	f := &Fuzzer{client: c.withDefaults(), plans: conformance.NewCorpus(seed), first: conformance.ProvokerPlans(seed), seen: map[string]bool{}, found: map[string]bool{}}
	var err error
	if f.dir, err = os.MkdirTemp("", "parley-fuzz-"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.file(), []byte(content), 0o644); err != nil {
		return nil, err
	}
	return f, os.Chmod(f.dir, 0o755) // a client may run as somebody else
}

// Close removes what New has made.
func (f *Fuzzer) Close() error { return os.RemoveAll(f.dir) }

func (f *Fuzzer) file() string { return filepath.Join(f.dir, "message") }

// Played returns how many sessions were played, how many kinds of them there were, and
// how many faults did not show again.
func (f *Fuzzer) Played() (sessions int64, kinds int, shaky int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.played.Load(), len(f.seen), f.shaky.Load()
}

// Next plays one session. It returns nil if nothing new is wrong with it; an error if the
// client cannot be run.
func (f *Fuzzer) Next(ctx context.Context) (*Finding, error) {
	f.mu.Lock()
	var plan []byte
	if len(f.first) > 0 {
		plan, f.first = f.first[0], f.first[1:]
	} else {
		plan = f.plans.Next()
	}
	f.mu.Unlock()
	p, err := f.play(ctx, plan)
	if err != nil || ctx.Err() != nil {
		return nil, err
	}
	f.note(plan, p)
	fault := p.fault()
	if fault == nil || !f.claim(fault.key) {
		return nil, nil
	}
	x, err := f.examine(ctx, plan, fault)
	if x == nil && err == nil && ctx.Err() == nil {
		f.shaky.Add(1)
	}
	return x, err
}

// Replay plays one plan, three times if it shows a fault, as a finding must.
func (f *Fuzzer) Replay(ctx context.Context, plan []byte) (*Finding, error) {
	p, err := f.play(ctx, plan)
	if err != nil || ctx.Err() != nil {
		return nil, err
	}
	fault := p.fault()
	if fault == nil || !f.steady(ctx, plan, fault.Kind) {
		return nil, nil
	}
	return f.finding(plan, p)
}

func (f *Fuzzer) play(ctx context.Context, plan []byte) (*play, error) {
	f.played.Add(1)
	return f.client.play(ctx, plan, f.file())
}

// note keeps a plan by which the client did something new.
func (f *Fuzzer) note(plan []byte, p *play) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := false
	trail := append([]string{"begin"}, p.server.Trail...)
	trail = append(trail, fmt.Sprintf("exit %d", p.end.code))
	for i := 1; i < len(trail); i++ {
		pair := trail[i-1] + ", " + trail[i]
		fresh = fresh || !f.seen[pair]
		f.seen[pair] = true
	}
	if fresh {
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

// Of a finding, at most so much is spent on making its plan short.
const (
	effort = 200
	spell  = 30 * time.Second
)

// examine makes sure of a fault, and makes its plan as short as it can be in time. It
// returns nil if the fault does not show three times of three.
func (f *Fuzzer) examine(ctx context.Context, plan []byte, fault *Fault) (*Finding, error) {
	if !f.steady(ctx, plan, fault.Kind) {
		return nil, nil
	}
	left, until := effort, time.Now().Add(spell)
	shows := func(less []byte) bool {
		if left--; left < 0 || time.Now().After(until) {
			return false
		}
		return f.shows(ctx, less, fault.Kind)
	}
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
			f.claim(again.key)
			return f.finding(plan, p)
		}
	}
	return nil, nil
}

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
	if err != nil || ctx.Err() != nil {
		return false
	}
	fault := p.fault()
	return fault != nil && fault.Kind == kind
}

// finding writes a play down.
func (f *Fuzzer) finding(plan []byte, p *play) (*Finding, error) {
	x := &Finding{Fault: *p.fault(), Plan: plan, Output: string(p.end.stderr)}
	var b strings.Builder
	fmt.Fprintf(&b, "# Found by fuzzing a client: %s.\n", smtpt.Escape([]byte(x.Text), false))
	fmt.Fprintf(&b, "# To see it again: parley fuzz --client %s --plan %s\n\n", smtpt.Escape(quote(f.client.Command), false), hex.EncodeToString(plan))
	b.WriteString("call open data=data\ncall send from=" + sender + " to=" + recipients + " body=@message\ngroup free {\n")
	for _, s := range p.server.Steps {
		if said, what, ok := strings.Cut(s, "X: "); ok { // what becomes of the connection stands outside
			s = said + "}\nX: " + what + "group free {\n"
		}
		b.WriteString(s)
	}
	b.WriteString("}\n")
	dialogue := strings.ReplaceAll(b.String(), "group free {\n}\n", "")
	b.Reset()
	b.WriteString(dialogue + "-- message --\n" + strings.ReplaceAll(content, "\r\n", "\n"))
	var err error
	x.Script, err = smtpt.Parse("found", []byte(b.String()))
	return x, err
}

// quote makes a word for the shell.
func quote(s string) []byte { return []byte("'" + strings.ReplaceAll(s, "'", `'\''`) + "'") }
