package report

import (
	"math"
	"strings"
	"time"

	"github.com/parley-mail/parley/bench/component"
	"github.com/parley-mail/parley/bench/run"
)

// goal is a row of the table of goals: a bar that is not to be missed, and a moonshot
// that only the parts have shown.
type goal struct {
	number int
	what   string
	least  bool    // the figure is to be at least this; otherwise at most
	bar    float64 // NaN: none
	moon   float64 // NaN: none
	value  func(d *data) float64
	limit  func(d *data) float64 // the same of the Go limit; nil: that says nothing
	needs  [2]string             // workload and client whose absence explains that there is no figure
}

var none = math.NaN()

// The clients that stand in the goals.
const (
	plain, pipelined, chunked, x8, x64 = "parley plain", "parley pipelined", "parley chunked", "parley chunked x8", "parley chunked x64"

	netSMTP, mox, smtpSource, curl = "net/smtp plain", "mox pipelined", "smtp-source plain", "curl plain"
)

const rtt = 20 * time.Millisecond // of w7

// ratioOf is a goal about the quotient of two clients.
func ratioOf(number int, what, workload, key, to string, m metric, least bool, bar, moon float64) goal {
	g := goal{number, what, least, bar, moon, func(d *data) float64 { return d.ratio(workload, key, to, m) }, nil, [2]string{workload, key}}
	if limit, limitTo := limitOf(key), limitOf(to); limit != limitTo {
		g.limit = func(d *data) float64 { return d.ratio(workload, limit, limitTo, m) }
	}
	return g
}

// limitOf is the Go limit in the place of Parley; other clients stay.
func limitOf(key string) string {
	mode, ours := strings.CutPrefix(key, "parley ")
	if !ours {
		return key
	}
	return "blaster-go " + strings.Replace(mode, " std", "", 1)
}

// figure is a goal about one client.
func figure(number int, what, workload, key string, m metric, bar, moon float64) goal {
	median := func(key string) func(*data) float64 {
		return func(d *data) float64 { return d.median(workload, key, m) }
	}
	return goal{number, what, false, bar, moon, median(key), median(limitOf(key)), [2]string{workload, key}}
}

func part(number int, what, name, m string, bar, moon float64) goal {
	g := figure(number, what, run.ComponentWorkload, name+" plain", other(m), bar, moon)
	g.limit = nil
	return g
}

// atLeast and atMost are the directions of ratioOf.
const (
	atLeast = true
	atMost  = false
)

// worst is the greatest of a figure over clients and workloads.
func worst(m metric, workloads []string, keys ...string) func(d *data) float64 {
	return func(d *data) float64 {
		most := math.Inf(-1)
		for _, w := range workloads {
			for _, k := range keys {
				v := d.median(w, k, m)
				if math.IsNaN(v) {
					return v
				}
				most = max(most, v)
			}
		}
		return most
	}
}

// callsPerMiB is of the system calls of a message.
func callsPerMiB(s *run.Sample) float64 { return per(other("calls")(s), float64(s.Size)/(1<<20)) }

func kib(s *run.Sample) float64 { return octets(s) / 1024 }

// beside is how much more memory a client uses beside messages of 32 MiB than beside those
// of 4 KiB, in the worse mode. What the program itself takes once it runs is not in it.
func beside(d *data) float64 {
	more := math.Inf(-1)
	for _, key := range []string{chunked, pipelined} {
		if v := d.median("w3", key, peak) - d.median("w1", key, peak); math.IsNaN(v) {
			return v
		} else if v > more {
			more = v
		}
	}
	return more
}

// copies is how the octets of a memcpy compare with those of the stuffer.
func copies(d *data) float64 {
	c, s := component.Copy+" plain", component.StuffLines+" plain"
	return per(d.median(run.ComponentWorkload, c, other("ns")), d.median(run.ComponentWorkload, s, other("ns")))
}

func goals() []goal {
	w1to := func(n int, what, key, mode string, m metric, least bool, bar, moon float64) goal {
		return ratioOf(n, "W1 "+mode+": "+what, "w1", key, "blaster-go "+mode, m, least, bar, moon)
	}
	cheap := func(n int, key, mode string, bar, moon float64) goal {
		return ratioOf(n, "W1 "+mode+": CPU ÷ smtp-source", "w1", key, smtpSource, cpu, atMost, bar, moon)
	}
	times := func(what, key, peer string, bar, moon float64) goal {
		return ratioOf(4, "W1 "+what, "w1", key, peer, rate, atLeast, bar, moon)
	}
	modes := []string{plain, pipelined, chunked, x8}
	return []goal{
		w1to(1, "msgs/s ÷ Go limit", pipelined, "pipelined", rate, atLeast, 0.80, 0.95),
		w1to(1, "CPU ÷ Go limit", pipelined, "pipelined", cpu, atMost, 1.30, 1.08),
		cheap(1, pipelined, "pipelined", 0.42, 0.27),

		w1to(2, "msgs/s ÷ Go limit", chunked, "chunked", rate, atLeast, 0.80, 0.95),
		w1to(2, "CPU ÷ Go limit", chunked, "chunked", cpu, atMost, 1.20, 1.05),
		cheap(2, chunked, "chunked", 0.33, 0.27),

		w1to(3, "msgs/s ÷ Go limit", x8, "chunked x8", rate, atLeast, 0.80, 0.92),
		ratioOf(3, "W1 chunked x8: msgs/s ÷ C limit", "w1", x8, "blaster-c chunked x8", rate, atLeast, 0.45, 0.55),
		ratioOf(3, "W1 chunked x8: msgs/s × C limit plain", "w1", x8, "blaster-c plain", rate, atLeast, 9, 12),
		w1to(3, "CPU ÷ Go limit", x8, "chunked x8", cpu, atMost, 1.5, 1.15),
		cheap(3, x8, "chunked x8", 0.065, 0.05),

		times("one in flight: msgs/s × net/smtp", chunked, netSMTP, 5, 6.5),
		times("one in flight: msgs/s × mox", chunked, mox, 3.3, 4.2),
		times("one in flight: msgs/s × smtp-source", chunked, smtpSource, 2.6, 4),
		times("8 in flight: msgs/s × net/smtp", x8, netSMTP, 22, 32),
		times("8 in flight: msgs/s × mox", x8, mox, 14, 20),
		times("8 in flight: msgs/s × smtp-source", x8, smtpSource, 12, 18),

		w1to(5, "msgs/s ÷ Go limit", plain, "plain", rate, atLeast, 0.78, 0.95),
		w1to(5, "CPU ÷ Go limit", plain, "plain", cpu, atMost, 1.25, 1.05),
		cheap(5, plain, "plain", 1.4, 1.1),

		ratioOf(6, "W2 pipelined: msgs/s ÷ Go limit", "w2", pipelined, "blaster-go pipelined", rate, atLeast, 0.60, 0.85),
		ratioOf(6, "W2 pipelined: msgs/s × mox", "w2", pipelined, mox, rate, atLeast, 5, 7),
		ratioOf(6, "W2 pipelined: CPU ÷ smtp-source", "w2", pipelined, smtpSource, cpu, atMost, 0.03, 0.016),

		{7, "allocations a message, W1 W2 W4, the worst mode", false, 0.01, 0.001, worst(allocs, []string{"w1", "w2", "w4"}, modes...), nil, [2]string{"w4", plain}},
		{7, "allocations a message, W3", false, none, 0.001, worst(allocs, []string{"w3"}, pipelined, chunked), nil, [2]string{"w3", chunked}},
		figure(7, "allocations a message, W3 over TLS", "w3-tls", chunked+" std", allocs, none, 0.001),

		figure(8, "W7 round trips a message: pipelined", "w7", pipelined, roundTrips(rtt), 1.2, 1.1),
		figure(8, "W7 round trips a message: chunked", "w7", chunked, roundTrips(rtt), 1.15, 1.07),
		figure(8, "W7 round trips a message: 8 in flight", "w7", x8, roundTrips(rtt), 0.17, 0.15),
		figure(8, "W7 round trips a message: 64 in flight", "w7", x64, roundTrips(rtt), 0.03, 0.02),
		figure(8, "W7 round trips a message: 64 in flight, 100 recipients", "w7-100", x64, roundTrips(rtt), 0.03, 0.02),

		figure(9, "W5 turns of a session with one message: pipelined", "w5", pipelined, turns, 5, 4),
		figure(9, "W5 turns of a session with one message: chunked", "w5", chunked, turns, 4, 3),
		figure(9, "W6 turns of a session with one message: chunked, implicit TLS", "w6", chunked+" std", turns, 5, 4),
		figure(9, "W5 turns of a session with one message: chunked, STARTTLS", "w5-starttls", chunked, turns, 7, 6),

		ratioOf(10, "W5 chunked: msgs/s ÷ Go limit", "w5", chunked, "blaster-go chunked", rate, atLeast, 0.9, 1.15),
		figure(10, "W5 chunked: allocations a session", "w5", chunked, allocs, 30, 24),
		figure(10, "W5 chunked: KiB allocated a session", "w5", chunked, kib, 6, 4),

		ratioOf(11, "W3 BDAT: GB/s ÷ C limit", "w3", chunked, "blaster-c chunked", bulk, atLeast, 0.95, none),
		ratioOf(11, "W3 BDAT: CPU ÷ C limit", "w3", chunked, "blaster-c chunked", cpu, atMost, 1.1, none),

		ratioOf(12, "64 MiB BDAT from a file, mapped: CPU ÷ from memory", "w3-file", chunked+" mapped", chunked+" from memory", cpu, atMost, none, 1.1),
		ratioOf(12, "64 MiB BDAT from a file, by sendfile: CPU ÷ from memory", "w3-file", "parley-file chunked", chunked+" from memory", cpu, atMost, 1.7, none),

		ratioOf(13, "W3 DATA: GB/s ÷ C limit", "w3", pipelined, "blaster-c pipelined", bulk, atLeast, 0.58, 0.85),
		ratioOf(13, "W3 DATA: CPU ÷ C limit", "w3", pipelined, "blaster-c pipelined", cpu, atMost, 2.5, 1.7),
		ratioOf(13, "W3 DATA: CPU of curl ÷ it", "w3", curl, pipelined, cpu, atLeast, 1.9, 3),
		ratioOf(13, "W3 DATA: CPU of mox ÷ it", "w3", mox, pipelined, cpu, atLeast, 3.8, 6),

		{14, "W3 KiB of memory beside the message, more than in W1", false, 1024, 256, beside, nil, [2]string{"w3", chunked}},
		figure(14, "W3 system calls a MiB: DATA", "syscalls-bulk", pipelined, callsPerMiB, 6.5, 2),
		figure(14, "W3 system calls a MiB: BDAT", "syscalls-bulk", chunked, callsPerMiB, 0.4, 0.3),

		ratioOf(15, "W4 chunked: msgs/s ÷ Go limit", "w4", chunked, "blaster-go chunked", rate, atLeast, 0.82, 0.92),
		ratioOf(15, "W4 chunked: CPU ÷ Go limit", "w4", chunked, "blaster-go chunked", cpu, atMost, 1.4, 1.15),

		figure(16, "W8 KiB an idle session", "w8", plain, rss, 2.0, 1.6),
		figure(16, "W8 KiB an idle session, implicit TLS", "w8-tls", plain+" std", rss, 11, 9.5),
		figure(16, "W8 goroutines", "w8", plain, goroutines, 0, 0),

		figure(17, "system calls a message: pipelined", "syscalls", pipelined, other("calls"), 4.0, 3.6),
		figure(17, "system calls a message: chunked", "syscalls", chunked, other("calls"), 4.0, 3.6),
		figure(17, "system calls a message: 8 in flight", "syscalls", x8, other("calls"), 0.55, 0.45),

		ratioOf(18, "W6 CPU of a TLS session ÷ Go limit", "w6", chunked+" std", "blaster-go chunked", cpu, atMost, 1.10, 1.03),
		ratioOf(18, "W6 CPU resumed ÷ full", "w6", chunked+" std resumed", chunked+" std", cpu, atMost, 0.90, none),
		ratioOf(18, "W6 CPU with X25519, resumed ÷ full", "w6", chunked+" std X25519 resumed", chunked+" std", cpu, atMost, 0.65, 0.58),

		ratioOf(19, "BDAT of 32 MiB over TLS: GB/s ÷ crypto/tls alone", "w3-tls", chunked+" std", "blaster-go chunked", bulk, atLeast, 0.85, 0.95),
		ratioOf(19, "BDAT of 32 MiB over TLS: GB/s, uTLS ÷ crypto/tls", "w3-tls", chunked+" utls", chunked+" std", bulk, atLeast, 0.85, 0.95),

		part(20, "ns: a step of the machine, with a hook", component.Step, "ns", 10, 6),
		part(20, "ns: parsing a reply of one line", component.Parse, "ns", 75, 40),
		part(20, "ns: an event by callback", component.Callback, "ns", 6, 3),
		{20, "stuffing and checking: memcpy ÷ it", true, 1.0 / 6, 1 / 3.5, copies, nil, [2]string{run.ComponentWorkload, component.Copy + " plain"}},
		{20, "allocations, the worst of these", false, 0.001, 0.001, worst(other("allocs"), []string{run.ComponentWorkload},
			component.Step+" plain", component.Parse+" plain", component.Callback+" plain", component.StuffLines+" plain"), nil, [2]string{run.ComponentWorkload, component.Step + " plain"}},
	}
}

// verdict is whether a figure reaches its goal.
func (g *goal) verdict(v float64) string {
	reaches := func(mark float64) bool { return v <= mark && !g.least || v >= mark && g.least }
	switch {
	case math.IsNaN(v):
		return "not measured"
	case !math.IsNaN(g.moon) && reaches(g.moon):
		return "yes, moonshot"
	case math.IsNaN(g.bar):
		return "no bar"
	case reaches(g.bar):
		return "yes"
	default:
		return "**no**"
	}
}
