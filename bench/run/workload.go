package run

import (
	"fmt"
	"slices"
	"time"

	"github.com/parley-mail/parley/bench/load"
)

// place says where client and sink run. It is the largest effect of all: a wake-up
// of another processor can cost more than a round trip.
type place uint8

const (
	together place = iota // both on one processor
	apart                 // one each
	anywhere
)

var places = [...]string{"client and sink on one processor", "a processor each", "not pinned"}

func (p place) String() string {
	if int(p) < len(places) {
		return places[p]
	}
	return fmt.Sprintf("place(%d)", uint8(p))
}

// variant is a client as it is run in a workload.
type variant struct {
	client   string
	mode     string
	inflight int      // 0: 1
	note     string   // what else is special; part of the name
	resume   bool     // TLS sessions
	flags    []string // that only this client has
	env      []string
}

// name is the mode as it stands in the tables.
func (v variant) name() string {
	n := v.mode
	if v.inflight > 1 {
		n += fmt.Sprintf(" x%d", v.inflight)
	}
	if v.note != "" {
		n += " " + v.note
	}
	return n
}

// workload is what the clients are given to do.
type workload struct {
	name, title string
	load        load.Load
	place       place
	rtt         time.Duration // of a relay between
	rounds      int           // at most; 0: as many as are asked for
	factor      float64       // on the time of a run; 0: 1
	variants    []variant
}

const (
	small = 4 << 10
	large = 32 << 20
	huge  = 64 << 20
)

// The clients in the groups in which they appear.
var (
	limitsC = []variant{
		{client: "blaster-c", mode: load.Plain},
		{client: "blaster-c", mode: load.Pipelined},
		{client: "blaster-c", mode: load.Chunked},
		{client: "blaster-c", mode: load.Chunked, inflight: 8},
	}
	limitsGo = []variant{
		{client: "blaster-go", mode: load.Plain},
		{client: "blaster-go", mode: load.Pipelined},
		{client: "blaster-go", mode: load.Chunked},
		{client: "blaster-go", mode: load.Chunked, inflight: 8},
	}
	probes = []variant{
		{client: "probe", mode: load.Pipelined},
		{client: "probe", mode: load.Chunked},
		{client: "probe", mode: load.Chunked, inflight: 8},
	}
	ours = []variant{
		{client: "parley", mode: load.Plain},
		{client: "parley", mode: load.Pipelined},
		{client: "parley", mode: load.Chunked},
		{client: "parley", mode: load.Chunked, inflight: 8},
	}
	peers = []variant{
		{client: "net/smtp", mode: load.Plain},
		{client: "emersion", mode: load.Plain},
		{client: "go-mail", mode: load.Plain},
		{client: "go-mail-lean", mode: load.Plain},
		{client: "go-simple-mail", mode: load.Plain},
		{client: "mox", mode: load.Pipelined},
	}
	programs = []variant{
		{client: "smtp-source", mode: load.Plain}, {client: "curl", mode: load.Plain}, {client: "smtplib", mode: load.Plain}, {client: "nodemailer", mode: load.Pipelined},
	}
)

// workloads are all there are, in the order in which they run.
func workloads() []workload {
	one := load.Load{Size: small, Rcpts: 1, Sessions: 1}
	with := func(change func(l *load.Load)) load.Load {
		l := one
		change(&l)
		return l
	}
	only := func(vs []variant, clients ...string) []variant {
		return slices.DeleteFunc(slices.Clone(vs), func(v variant) bool { return !slices.Contains(clients, v.client) })
	}
	bulk := func(client string) []variant {
		return []variant{{client: client, mode: load.Pipelined}, {client: client, mode: load.Chunked}}
	}
	fewPeers := only(peers, "net/smtp", "mox")
	chunked := func(client, note string, resume bool, env []string, flags ...string) variant {
		return variant{client: client, mode: load.Chunked, note: note, resume: resume, env: env, flags: flags}
	}
	x25519 := []string{"GODEBUG=tlsmlkem=0,tlssecpmlkem=0"}
	far := []variant{{client: "blaster-go", mode: load.Chunked, inflight: 64}, {client: "parley", mode: load.Chunked, inflight: 64}}

	all := []workload{
		{
			// Longer than the others: the blocking waits of the limit cost less in the first tenths of a second
			// than ever after, and what a run allocates once must not count for its messages, of which plain has few.
			name: "w1", title: "one session, 4 KiB, one recipient", load: one, place: together, factor: 4,
			variants: slices.Concat(limitsC, limitsGo, probes, ours, peers, programs),
		},
		{
			name: "w2", title: "one session, 4 KiB, 100 recipients", load: with(func(l *load.Load) { l.Rcpts = 100 }), place: together, factor: 4,
			variants: slices.Concat(limitsC, limitsGo, probes, ours, peers, programs),
		},
		{
			name: "w3", title: "bodies of 32 MiB", load: with(func(l *load.Load) { l.Size = large }), place: apart,
			variants: slices.Concat(bulk("blaster-c"), bulk("blaster-go"), bulk("parley"), peers, programs),
		},
		{
			name: "w3-tls", title: "bodies of 32 MiB over TLS", place: apart,
			load:     with(func(l *load.Load) { l.Size, l.TLS = large, load.ImplicitTLS }),
			variants: []variant{chunked("blaster-go", "", false, nil), chunked("parley", "std", false, nil, "--tls-engine", "std"), chunked("parley", "utls", false, nil, "--tls-engine", "utls")},
		},
		{
			name: "w3-file", title: "bodies of 64 MiB from a file", load: with(func(l *load.Load) { l.Size = huge }), place: apart,
			variants: []variant{chunked("blaster-c", "", false, nil), chunked("parley", "from memory", false, nil), chunked("parley", "mapped", false, nil, "--map"), chunked("parley-file", "", false, nil)},
		},
		{
			name: "w4", title: "64 sessions, 4 KiB, one recipient", load: with(func(l *load.Load) { l.Sessions = 64 }), place: apart,
			variants: slices.Concat(limitsC, limitsGo, ours, peers, only(programs, "smtp-source")),
		},
		{
			name: "w5", title: "a connection for each message", load: with(func(l *load.Load) { l.Reconnect = true }), place: together,
			variants: slices.Concat(
				bulk("blaster-c"), bulk("blaster-go"), bulk("parley"), peers, only(programs, "smtp-source", "smtplib", "nodemailer")),
		},
		{
			name: "w5-starttls", title: "a connection for each message, STARTTLS", place: together, rounds: 3,
			load:     with(func(l *load.Load) { l.Reconnect, l.TLS = true, load.StartTLS }),
			variants: slices.Concat([]variant{chunked("parley", "", false, nil)}, fewPeers),
		},
		{
			name: "w6", title: "a TLS handshake for each message", place: together,
			load: with(func(l *load.Load) { l.Reconnect, l.TLS = true, load.ImplicitTLS }),
			variants: slices.Concat([]variant{
				chunked("blaster-go", "", false, nil), chunked("blaster-go", "resumed", true, nil), chunked("blaster-go", "X25519 resumed", true, x25519),
				chunked("parley", "std", false, nil, "--tls-engine", "std"), chunked("parley", "std resumed", true, nil, "--tls-engine", "std"),
				chunked("parley", "std X25519 resumed", true, x25519, "--tls-engine", "std"), chunked("parley", "utls", false, nil, "--tls-engine", "utls"),
			}, fewPeers, only(peers, "emersion", "go-mail")),
		},
		{
			name: "w7", title: "a round trip of 20 ms", load: one, place: anywhere, rtt: 20 * time.Millisecond, rounds: 3, factor: 3,
			variants: slices.Concat(limitsGo, ours, far, peers, programs),
		},
		{
			name: "w7-100", title: "a round trip of 20 ms, 100 recipients", place: anywhere, rtt: 20 * time.Millisecond, rounds: 3, factor: 3,
			load:     with(func(l *load.Load) { l.Rcpts = 100 }),
			variants: slices.Concat(bulk("parley"), far, only(peers, "mox")),
		},
		{
			name: "w8", title: "10,000 idle sessions", load: with(func(l *load.Load) { l.Hold, l.Sessions = true, 10000 }), place: anywhere, rounds: 1,
			variants: slices.Concat([]variant{{client: "blaster-go", mode: load.Plain}, {client: "parley", mode: load.Plain}}, peers),
		},
		{
			name: "w8-tls", title: "2,000 idle sessions over TLS", place: anywhere, rounds: 1,
			load:     with(func(l *load.Load) { l.Hold, l.Sessions, l.TLS = true, 2000, load.ImplicitTLS }),
			variants: slices.Concat([]variant{{client: "blaster-go", mode: load.Plain}, {client: "parley", mode: load.Plain, note: "std", flags: []string{"--tls-engine", "std"}}, {client: "parley", mode: load.Plain, note: "utls", flags: []string{"--tls-engine", "utls"}}}, fewPeers),
		},
	}
	plotted := slices.Concat(only(ours, "parley"), fewPeers)
	for _, ms := range []int{1, 5, 50} { // 20 is w7
		all = append(all, workload{
			name: fmt.Sprintf("rtt-%d", ms), title: fmt.Sprintf("a round trip of %d ms", ms), load: one, place: anywhere,
			rtt: time.Duration(ms) * time.Millisecond, rounds: 3, factor: 3, variants: plotted,
		})
	}
	for _, n := range []int{1, 4, 16, 256} { // 64 is w4
		all = append(all, workload{
			name: fmt.Sprintf("sessions-%d", n), title: fmt.Sprintf("%d sessions", n), load: with(func(l *load.Load) { l.Sessions = n }), place: apart,
			rounds: 3, variants: slices.Concat(plotted, only(limitsGo, "blaster-go")),
		})
	}
	for i := range growths {
		all = append(all, growths[i].workloads()...)
	}
	return all
}

// shrink makes a workload as small as it can be.
func (w *workload) shrink() {
	w.load.Size = small
	w.load.Sessions, w.load.Rcpts, w.load.Endpoints = min(w.load.Sessions, 8), min(w.load.Rcpts, 100), min(w.load.Endpoints, 8)
	w.rtt = min(w.rtt, time.Millisecond)
}

// Names are the workloads there are.
func Names() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return names
}

// Titles say what the workloads are, and where client and sink run.
func Titles() map[string]string {
	titles := map[string]string{}
	for _, w := range workloads() {
		titles[w.name] = w.title + "; " + w.place.String()
	}
	return titles
}
