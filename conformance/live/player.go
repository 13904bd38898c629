package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// Player plays cases against a client. It may be used by several goroutines.
type Player struct {
	Peer     Peer
	Limit    time.Duration // for a case; 0: 20 s
	Patience time.Duration // that the client is told to have with a reply; 0: 4 s
	Memory   int64         // how much more than for the control case the client may take, in octets; 0: 256 MiB
	Command  string        // how a case is played again; %s stands for its id

	certs  *certificates
	dir    string
	mu     sync.Mutex
	usual  int64           // memory of the control case
	habits map[string]bool // requirements that the client breaks in the control case
}

// Defaults of a player.
const (
	DefaultLimit    = 20 * time.Second
	DefaultPatience = 4 * time.Second
	DefaultMemory   = 256 << 20
)

// afterwards is how long connections may outlive the client.
const afterwards = time.Second

// NewPlayer returns a player for a client. Close removes what it keeps on disk.
func NewPlayer(p Peer) (*Player, error) {
	dir, err := os.MkdirTemp("", "parley-live-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // a client may run as somebody else
		return nil, err
	}
	made := &Player{Peer: p, dir: dir, habits: map[string]bool{}}
	if made.certs, err = newCertificates(); err == nil {
		err = os.WriteFile(made.ca(), made.certs.ca.PEM(), 0o644)
	}
	if err != nil {
		made.Close()
		return nil, err
	}
	return made, nil
}

func (p *Player) ca() string { return filepath.Join(p.dir, "ca.pem") }

// Close removes the files of the player.
func (p *Player) Close() error { return os.RemoveAll(p.dir) }

// Play plays a case, and gives what came of it.
func (p *Player) Play(ctx context.Context, c *conformance.Case) *conformance.Outcome {
	o := &conformance.Outcome{Case: c}
	if p.Command != "" {
		o.Again = fmt.Sprintf(p.Command, c.ID)
	}
	plan, reason := compile(c)
	if reason != "" {
		o.Verdict, o.Reason = conformance.Skip, reason
		return o
	}
	start := time.Now()
	h := &host{plan: plan, certs: p.certs, patience: cmp.Or(p.Patience, DefaultPatience), started: start}
	claim, err := p.run(ctx, h)
	o.Plays, o.Duration, o.Wire = 1, time.Since(start), h.lines
	if err != nil {
		o.Verdict, o.Reason = conformance.Inconclusive, err.Error()
		return o
	}
	j := &judge{c: c, plan: plan, claim: claim, all: h.all, limit: cmp.Or(p.Limit, DefaultLimit), habitual: p.habitual}
	p.weigh(j)
	j.verdict(o)
	return o
}

// habitual reports whether a client breaks the requirement in the control case already:
// that counts there and in the cases about it, and not once for each case there is.
func (p *Player) habitual(c *conformance.Case, id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if control(c) && id != "" {
		p.habits[id] = true
	}
	return p.habits[id] && !control(c) && !slices.Contains(c.Rfc, id) && !slices.Contains(c.Against, id)
}

func control(c *conformance.Case) bool { return strings.HasPrefix(c.ID, "sanity/") }

// weigh holds the client's memory against what it took for the first case.
func (p *Player) weigh(j *judge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch most := cmp.Or(p.Memory, DefaultMemory); {
	case p.usual == 0: // a program that takes no more than this one tells 0
		p.usual = max(1, j.claim.Memory)
	case j.claim.Memory > p.usual+most:
		j.add("", fmt.Sprintf("the client takes %d MiB of memory, and %d MiB for the control case", j.claim.Memory>>20, p.usual>>20), "", "")
	}
}

// run has the client do the errand, at a listener of its own.
func (p *Player) run(ctx context.Context, h *host) (*Claim, error) {
	dir, err := os.MkdirTemp(p.dir, "case-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	t := &Task{
		Errand: h.plan.errand, Host: "127.0.0.1", CA: p.ca(), File: filepath.Join(dir, "message.eml"),
		Result: filepath.Join(dir, "result.json"), TokenIn: filepath.Join(dir, "token"), Patience: h.patience,
	}
	err = errors.Join(os.WriteFile(t.File, t.Content, 0o644), os.WriteFile(t.TokenIn, []byte(t.Token), 0o644), os.Chmod(dir, 0o777))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", t.Host+":0")
	if err != nil {
		return nil, err
	}
	t.Port = l.Addr().(*net.TCPAddr).Port
	limited, cancel := context.WithTimeout(ctx, cmp.Or(p.Limit, DefaultLimit))
	defer cancel()
	serving, stop := context.WithCancel(limited)
	served := make(chan struct{})
	if h.plan.refuse {
		l.Close()
	}
	go func() {
		h.serve(serving, l, nil)
		close(served)
	}()
	claim, err := p.Peer.Do(limited, t)
	if claim != nil {
		claim.Hung = claim.Hung || limited.Err() != nil && ctx.Err() == nil && claim.Crash == ""
	}
	l.Close()
	select { // the client is gone, and so are its ends of the connections, unless it has left something behind
	case <-served:
	case <-limited.Done():
	case <-time.After(afterwards):
	}
	stop()
	<-served
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return claim, err
}
