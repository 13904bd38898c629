package simulate

import (
	"context"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-mail/parley/transport/mem"
)

// world is all the servers there are. It is a transport.Dialer: the address of the i-th is
// its number, with a port.
type world struct {
	hosts []*host

	mu      sync.Mutex
	open    int // connections
	peak    int
	seconds float64 // of connections, all together
	changed time.Time
	counts  Counts
}

// Counts is what the servers have seen.
type Counts struct {
	Connections int // that were made
	TooMany     int // of them refused: the client had too many
	Used        int // MAIL refused: the connection had had its share
	Greylisted  int // RCPT put off
	Silent      int // dialled where nobody answers
	Accepted    int // messages
}

// host is one server, and what it makes of its clients.
type host struct {
	world       *world
	rtt         time.Duration
	work        time.Duration // for a message, in the middle
	patience    time.Duration // with a client that says nothing
	refuses     bool          // every connection
	silent      bool          // does not even do that
	greylists   bool
	maxConns    int // at once; 0: any number
	maxMessages int // on a connection; 0: any number
	chunking    bool
	pipelining  bool

	mu    sync.Mutex
	open  int
	seen  map[string]time.Time // recipients that were put off
	known int                  // messages accepted of those that were put off before
	n     uint64               // messages so far
	seed  uint64
}

// Shares of the servers that are special. Each is drawn for itself.
const (
	shareSilent    = 0.015 // no answer to SYN
	shareRefusing  = 0.015 // RST
	shareSlow      = 0.03  // ten to sixty times the work
	shareGreylist  = 0.08
	sharePipeline  = 0.93
	shareChunking  = 0.45
	shareMessages  = 0.20 // so many messages on a connection, see messagesTaken
	medianWork     = 120 * time.Millisecond
	sigmaWork      = 0.8
	greylistFor    = 5 * time.Minute
	large          = 20 // the first servers are large: they get most of the mail, and are well kept
	greylistTrusts = 5  // accepted messages after which a client is not put off any more
)

// measuredRTT is how far hosts are from one in Paris that CAIDA's Ark has measured from: each share
// of all that answer is nearer than that
// (https://www.caida.org/projects/ark/statistics/ory5-fr/dest_rtt_ccdf.html). The ends are not
// among what is published.
var measuredRTT = []struct {
	share float64
	rtt   time.Duration
}{
	{0, 5 * time.Millisecond},
	{0.10, 27_239 * time.Microsecond},
	{0.25, 49_502 * time.Microsecond},
	{0.50, 132_663 * time.Microsecond},
	{0.75, 200_851 * time.Microsecond},
	{0.90, 276_551 * time.Microsecond},
	{1, 800 * time.Millisecond},
}

// distance is the round trip that a share of the hosts is nearer than.
func distance(share float64) time.Duration {
	i := 1
	for measuredRTT[i].share < share {
		i++
	}
	a, b := measuredRTT[i-1], measuredRTT[i]
	return time.Duration(float64(a.rtt) * math.Pow(float64(b.rtt)/float64(a.rtt), (share-a.share)/(b.share-a.share)))
}

// What servers allow, each as likely as the next.
var (
	connsAllowed  = []int{0, 0, 50, 50, 50, 20, 20, 10, 10, 5}
	messagesTaken = []int{10, 20, 50, 100}
)

// newWorld draws n servers. The same seed draws the same, however many come behind.
func newWorld(n int, silent float64, seed uint64) *world {
	w := &world{changed: time.Now()}
	if silent == 0 {
		silent = shareSilent
	}
	for i := range n {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		logNormal := func(median time.Duration, sigma float64) time.Duration {
			return time.Duration(float64(median) * math.Exp(sigma*r.NormFloat64()))
		}
		pick := func(from []int) int { return from[r.IntN(len(from))] }
		h := &host{
			world: w, seed: r.Uint64(), seen: map[string]time.Time{},
			rtt: distance(r.Float64()), work: logNormal(medianWork, sigmaWork),
			patience:   time.Duration(float64(10*time.Second) * math.Pow(30, r.Float64())), // 10 s to 5 min
			silent:     r.Float64() < silent,
			refuses:    r.Float64() < shareRefusing,
			greylists:  r.Float64() < shareGreylist,
			pipelining: r.Float64() < sharePipeline,
			chunking:   r.Float64() < shareChunking,
			maxConns:   pick(connsAllowed),
		}
		if r.Float64() < shareSlow {
			h.work *= time.Duration(10 + r.IntN(50))
		}
		if r.Float64() < shareMessages {
			h.maxMessages = pick(messagesTaken)
		}
		if i < large {
			h.silent, h.refuses, h.greylists, h.work = false, false, false, min(h.work, 4*medianWork)
		}
		w.hosts = append(w.hosts, h)
	}
	return w
}

// dead reports whether nothing can ever be delivered to the i-th server.
func (w *world) dead(i int) bool { return w.hosts[i].silent || w.hosts[i].refuses }

// address is how the i-th server is dialled.
func address(i int) string { return "mx" + strconv.Itoa(i) + ".example:25" }

// DialContext connects to a server, after a round trip.
func (w *world) DialContext(ctx context.Context, _, to string) (net.Conn, error) {
	i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(to, "mx"), ".example:25"))
	if err != nil || i >= len(w.hosts) {
		return nil, syscall.EADDRNOTAVAIL
	}
	h := w.hosts[i]
	if h.silent {
		w.count(func(c *Counts) { c.Silent++ })
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if err := sleep(ctx, h.rtt); err != nil {
		return nil, err
	}
	if h.refuses {
		return nil, syscall.ECONNREFUSED
	}
	client, server := mem.Pipe(mem.Options{Latency: h.rtt / 2})
	go h.serve(server)
	return client, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *world) count(change func(*Counts)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.counts)
}

// connections takes note of one more, or one less.
func (w *world) connections(more int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.seconds += float64(w.open) * now.Sub(w.changed).Seconds()
	w.changed = now
	w.open += more
	w.peak = max(w.peak, w.open)
	if more > 0 {
		w.counts.Connections++
	}
}
