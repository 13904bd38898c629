package simulate

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// few are the servers of the tests: the first of those of the document.
func few(l Load) Load {
	l.Servers, l.Messages, l.Over = 300, 1200, l.Over/40
	return l
}

// outcome delivers the load in a bubble, on one processor: goroutines that are ready at the same
// virtual moment run in the same order then, unless the real clock interrupts one.
func outcome(t *testing.T, l Load, s Settings) *Outcome {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var o *Outcome
	synctest.Test(t, func(*testing.T) { o = run(l, s) })
	if o.Lost > 0 || o.Unknown > 5 || len(o.Done) < l.Messages*8/10 {
		t.Errorf("%+v: %d messages done, %d lost, %d unknown", s, len(o.Done), o.Lost, o.Unknown)
	}
	return o
}

// The defaults are what the document says: the same load has the same outcome, but for the
// order of what happens at the same moment. The machine's other load can change that, so that
// there is more than one attempt; another value would show in each.
func TestDefaults(t *testing.T) {
	l := few(campaign)
	var told []string
	for range 5 {
		implied := outcome(t, l, Settings{})
		said := outcome(t, l, Settings{Conns: defaultConns, Dialing: defaultDialing, Idle: defaultIdle, Age: defaultAge, Total: noLimit, Messages: noLimit, Overlap: 1})
		if near(wait(implied), wait(said), 1) && near(median(implied), median(said), 1) && near(implied.Connections, said.Connections, 2) {
			return
		}
		told = append(told, fmt.Sprintf("%v, %v, %d connections by default, %v, %v, %d with what is said to be the default",
			wait(implied), median(implied), implied.Connections, wait(said), median(said), said.Connections))
	}
	t.Error(strings.Join(told, "\n"))
}

// near reports whether a and b are so many hundredths apart at most.
func near[T ~int | ~int64](a, b, percent T) bool { return max(a, b) <= min(a, b)*(100+percent)/100 }

// What the defaults rest on: each is within a few hundredths of twice or four times as much,
// and a quarter of it is clearly worse.
func TestOrders(t *testing.T) {
	byDefault := outcome(t, few(campaign), Settings{})
	slow := outcome(t, few(stream), Settings{})
	for _, c := range []struct {
		name   string
		less   Settings
		more   Settings
		stream bool
	}{
		{name: "MaxConns", less: Settings{Conns: defaultConns / 4}, more: Settings{Conns: 2 * defaultConns}},
		{name: "MaxDialing", less: Settings{Dialing: defaultDialing / 16}, more: Settings{Dialing: 4 * defaultDialing}},
		{name: "MaxMessages", less: Settings{Messages: 1}, more: Settings{Messages: 100}},
		{name: "MaxIdle", less: Settings{Idle: defaultIdle / 12}, more: Settings{Idle: 5 * defaultIdle}, stream: true},
	} {
		l, of, by := few(campaign), wait, byDefault
		if c.stream {
			l, of, by = few(stream), median, slow
		}
		less, more := of(outcome(t, l, c.less)), of(outcome(t, l, c.more))
		if of(by) > more*105/100 || less < of(by)*103/100 {
			t.Errorf("%s: %v with less, %v by default, %v with more", c.name, less, of(by), more)
		}
	}
	if byDefault.Connections > 3*300 || byDefault.TooMany > byDefault.Connections/10 {
		t.Errorf("%d connections to 300 servers, %d turned away", byDefault.Connections, byDefault.TooMany)
	}
}

// Servers that do not answer hardly keep the others waiting.
func TestSilence(t *testing.T) {
	l := few(campaign)
	l.Silent = 0.001
	all := outcome(t, l, Settings{})
	l.Silent = 0.1
	if some := outcome(t, l, Settings{}); some.Silent < 30 || some.Wait() > all.Wait()*11/10 {
		t.Errorf("%v on average, and %v when a tenth of the servers is silent (%d times)", all.Wait(), some.Wait(), some.Silent)
	}
}
