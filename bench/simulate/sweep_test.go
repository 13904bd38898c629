package simulate

import (
	"strconv"
	"time"
)

// The two kinds of mail: all at once, where what counts is how fast it is gone; and a
// stream, where what counts is how long each message takes.
var (
	campaign = Load{Servers: 10_000, Messages: 50_000, Over: 10 * time.Second}
	stream   = Load{Servers: 10_000, Messages: 50_000, Over: time.Hour}
)

// sweep is one setting, with the values it is given while the others are the default.
type sweep struct {
	name, what string
	load       *Load
	measure    string // what a default is judged by
	of         func(o *Outcome) time.Duration
	values     []value
	picture    string // file of the drawing; "": none
}

type value struct {
	name      string
	settings  Settings
	load      func(l *Load) // what else is different; nil: nothing
	isDefault bool
	outcome   *Outcome
}

func wait(o *Outcome) time.Duration   { return o.Wait() }
func median(o *Outcome) time.Duration { return Quantile(o.Latency, 0.5) }

// numbers are the values of a setting that counts; 0 is the default of a Sender, most is a
// value that never matters.
func numbers(set func(s *Settings, n int), byDefault int, all ...int) []value {
	var values []value
	for _, n := range all {
		v := value{name: strconv.Itoa(n), isDefault: n == byDefault}
		if n == noLimit {
			v.name = "no limit"
		}
		if !v.isDefault {
			set(&v.settings, n)
		}
		values = append(values, v)
	}
	return values
}

// noLimit stands for a number that is never reached.
const noLimit = 1 << 30

func times(set func(s *Settings, d time.Duration), byDefault time.Duration, all ...time.Duration) []value {
	var values []value
	for _, d := range all {
		v := value{name: span(d), isDefault: d == byDefault}
		if !v.isDefault {
			set(&v.settings, d)
		}
		values = append(values, v)
	}
	return values
}

// The defaults of a Sender, as the sweeps mark them.
const (
	defaultConns   = 16
	defaultDialing = 512
	defaultIdle    = time.Minute
	defaultAge     = 5 * time.Minute
)

// memory is the sweep that shows what it is worth to remember who did not answer.
const memory = "Memory"

func sweeps() []sweep {
	return []sweep{
		{
			name: "MaxConns", what: "connections to one destination", load: &campaign, measure: "mean wait", of: wait, picture: "simulation-conns.svg",
			values: numbers(func(s *Settings, n int) { s.Conns = n }, defaultConns, 1, 2, 4, 8, 16, 32),
		},
		{
			name: "MaxDialing", what: "connections being opened at once", load: &campaign, measure: "mean wait", of: wait, picture: "simulation-dialing.svg",
			values: numbers(func(s *Settings, n int) { s.Dialing = n }, defaultDialing, 8, 32, 128, 512, 2048),
		},
		{
			name: "MaxTotal", what: "connections to all destinations together", load: &campaign, measure: "mean wait", of: wait, picture: "simulation-total.svg",
			values: numbers(func(s *Settings, n int) { s.Total = n }, noLimit, 100, 300, 1000, 3000, noLimit),
		},
		{
			name: "MaxMessages", what: "messages on one connection", load: &campaign, measure: "mean wait", of: wait,
			values: numbers(func(s *Settings, n int) { s.Messages = n }, noLimit, 1, 5, 20, 100, noLimit),
		},
		{
			name: "Session.Overlap", what: "messages in flight on one connection", load: &campaign, measure: "mean wait", of: wait,
			values: numbers(func(s *Settings, n int) { s.Overlap = n }, 1, 1, 2, 4, 8),
		},
		{
			name: "MaxIdle", what: "how long a connection is kept that nobody uses", load: &stream, measure: "median wait", of: median, picture: "simulation-idle.svg",
			values: times(func(s *Settings, d time.Duration) { s.Idle = d }, defaultIdle, time.Second, 5*time.Second, 15*time.Second, time.Minute, 5*time.Minute),
		},
		{
			name: "MaxAge", what: "how long a connection is used", load: &stream, measure: "median wait", of: median, picture: "simulation-age.svg",
			values: times(func(s *Settings, d time.Duration) { s.Age = d }, defaultAge, 10*time.Second, time.Minute, 5*time.Minute, 30*time.Minute),
		},
		{
			name: memory, what: "that a server did not answer; no setting", load: &campaign, measure: "mean wait", of: wait, picture: "simulation-memory.svg",
			values: []value{
				{name: "none", settings: Settings{Forgetful: true}},
				{name: "as long as it took", isDefault: true},
			},
		},
		{
			name: "Silent servers", what: "the share of them; no setting, and what they cost the others", load: &campaign, measure: "mean wait", of: wait,
			values: []value{
				{name: "0.1 %", load: func(l *Load) { l.Silent = 0.001 }},
				{name: "1.5 %", isDefault: true},
				{name: "5 %", load: func(l *Load) { l.Silent = 0.05 }},
				{name: "15 %", load: func(l *Load) { l.Silent = 0.15 }},
			},
		},
	}
}

// best is the least of what a sweep is judged by.
func (s *sweep) best() time.Duration {
	least := time.Duration(0)
	for i := range s.values {
		if d := s.of(s.values[i].outcome); least == 0 || d < least {
			least = d
		}
	}
	return least
}

// span writes a time as a setting is written.
func span(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d >= time.Second:
		return strconv.Itoa(int(d/time.Second)) + " s"
	}
	return strconv.Itoa(int(d/time.Millisecond)) + " ms"
}
