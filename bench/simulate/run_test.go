package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
)

// Load is the mail that is sent.
type Load struct {
	Servers  int
	Silent   float64 // the share of servers that do not answer; 0: shareSilent
	Messages int
	Over     time.Duration // they come evenly over so long
}

// Settings are those of a Sender that decide how it behaves; zero is its default.
type Settings struct {
	Conns    int           // Sender.MaxConns
	Total    int           // Sender.MaxTotal
	Dialing  int           // Sender.MaxDialing
	Idle     time.Duration // Sender.MaxIdle
	Age      time.Duration // Sender.MaxAge
	Messages int           // Sender.MaxMessages
	Overlap  int           // Endpoint.Session.Overlap

	// Forgetful: each message to a server that does not answer finds that out for itself, as if
	// it went to another.
	Forgetful bool
}

// Outcome is what became of it. Messages to servers that never answer are not counted in.
type Outcome struct {
	Done     []time.Duration // when each message was taken, since the beginning; sorted
	Latency  []time.Duration // how long each took since it came; sorted
	Attempts int             // calls of Send, for all messages
	Unknown  int             // messages of which nobody knows: the server hung up while one was on its way
	Lost     int             // messages that were given up
	Peak     int             // connections open at most
	Mean     float64         // connections open, over the whole time
	Counts
}

// Wait is how long a message took in the mean.
func (o *Outcome) Wait() time.Duration {
	var sum time.Duration
	for _, d := range o.Latency {
		sum += d
	}
	return sum / time.Duration(max(len(o.Latency), 1))
}

// Quantile is that of sorted times.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(math.Ceil(q*float64(len(sorted)))), len(sorted))-1]
}

const seed = 20_260_101

// giveUp is when a message is not tried again.
const giveUp = 3 * time.Hour

// run delivers the load. It must be called in a bubble.
func run(l Load, set Settings) *Outcome {
	w := newWorld(l.Servers, l.Silent, seed)
	s := &parley.Sender{
		MaxConns: set.Conns, MaxTotal: set.Total, MaxDialing: set.Dialing, MaxIdle: set.Idle, MaxAge: set.Age, MaxMessages: set.Messages,
	}
	endpoints := make([]*parley.Endpoint, l.Servers)
	for i := range endpoints {
		endpoints[i] = &parley.Endpoint{Address: address(i), Dialer: w, Session: session.Config{Overlap: set.Overlap, Hello: "client.example"}}
	}
	c := &program{sender: s, began: time.Now(), out: &Outcome{}}
	r := rand.New(rand.NewPCG(seed, math.MaxUint64))
	popular := rand.NewZipf(r, 1.05, 2, uint64(l.Servers-1))
	var all sync.WaitGroup
	for i := range l.Messages {
		to := int(popular.Uint64())
		// No two at the same moment: what comes first must not depend on the scheduler.
		at := time.Duration(float64(l.Over)*(float64(i)+r.Float64())/float64(l.Messages)) + time.Duration(i)
		e := endpoints[to]
		if set.Forgetful && w.hosts[to].silent {
			apart := *e
			apart.Session.Hello = fmt.Sprintf("client%d.example", i)
			e = &apart
		}
		all.Go(func() { c.deliver(i, at, e, w.dead(to)) })
	}
	all.Wait()
	if err := s.Close(context.Background()); err != nil {
		c.out.Lost = l.Messages // nothing can have gone well
	}
	slices.Sort(c.out.Done)
	slices.Sort(c.out.Latency)
	w.connections(0)
	c.out.Counts, c.out.Peak, c.out.Mean = w.counts, w.peak, w.seconds/time.Since(c.began).Seconds()
	return c.out
}

// program is one that sends much: a goroutine for each message, which tries again
// later as queues do.
type program struct {
	sender *parley.Sender
	began  time.Time

	mu  sync.Mutex
	out *Outcome
}

var content = message.FromBytes([]byte("Subject: news\r\n\r\nSomething has happened.\r\n"))

func (c *program) deliver(i int, at time.Duration, to *parley.Endpoint, dead bool) {
	time.Sleep(at)
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	m := &parley.Message{Endpoint: to, Mail: parley.Mail{Envelope: envelope(i), Content: content}}
	for wait := 5 * time.Minute; ; wait *= 2 {
		o, err := c.sender.Send(context.Background(), m)
		now := time.Since(c.began)
		if c.note(o, now, at, dead, err) {
			return
		}
		time.Sleep(wait + time.Duration(float64(wait)*0.2*r.Float64()))
	}
}

// note takes note of an attempt; true: there need not be another.
func (c *program) note(o parley.Outcome, now, at time.Duration, dead bool, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Attempts++
	var e *parley.Error
	switch {
	case o == parley.OutcomeAccepted:
		c.out.Done = append(c.out.Done, now)
		c.out.Latency = append(c.out.Latency, now-at)
		return true
	case dead:
		return now-at > giveUp
	case errors.As(err, &e) && e.Ambiguous():
		c.out.Unknown++
		return true
	case now-at > giveUp || e == nil || !e.Temporary():
		c.out.Lost++
		return true
	}
	return false
}

func envelope(i int) *message.Envelope {
	return &message.Envelope{
		ReversePath: path("news@client.example"), Recipients: []message.Recipient{{Path: path(fmt.Sprintf("reader%d@mx.example", i))}},
	}
}

func path(text string) message.Path {
	p, err := message.ParsePath(text)
	if err != nil {
		panic(err) // ours are well-formed
	}
	return p
}
