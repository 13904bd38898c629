package report

import (
	"math"
	"slices"
	"time"

	"github.com/parley-mail/parley/bench/run"
)

// metric is a figure of one run; NaN: it has none.
type metric func(s *run.Sample) float64

func rate(s *run.Sample) float64 { return per(float64(s.Messages), s.Seconds) }
func cpu(s *run.Sample) float64  { return per((s.User+s.Sys)*1e6, float64(s.Messages)) } // µs a message
func user(s *run.Sample) float64 { return per(s.User*1e6, float64(s.Messages)) }
func bulk(s *run.Sample) float64 { return per(float64(s.Messages)*float64(s.Size)/1e9, s.Seconds) } // GB/s
func cpuGB(s *run.Sample) float64 {
	return per(s.User+s.Sys, float64(s.Messages)*float64(s.Size)/1e9)
}
func sinkCPU(s *run.Sample) float64 { return positive(per(s.SinkCPU*1e6, float64(s.Messages))) }
func turns(s *run.Sample) float64   { return positive(s.Turns) }
func allocs(s *run.Sample) float64  { return maybe(s.Allocs) }
func octets(s *run.Sample) float64  { return maybe(s.Bytes) }
func peak(s *run.Sample) float64    { return maybe(s.Peak) }               // KiB
func maxRSS(s *run.Sample) float64  { return positive(float64(s.MaxRSS)) } // KiB
func rss(s *run.Sample) float64     { return positive(s.RSS) }
func heap(s *run.Sample) float64    { return positive(s.Heap) }
func goroutines(s *run.Sample) float64 {
	return float64(s.Goroutines)
}

// roundTrips is the time of a message in round trips of so long.
func roundTrips(rtt time.Duration) metric {
	return func(s *run.Sample) float64 { return per(s.Seconds/rtt.Seconds(), float64(s.Messages)) }
}

func other(name string) metric {
	return func(s *run.Sample) float64 {
		if v, ok := s.Other[name]; ok {
			return v
		}
		return math.NaN()
	}
}

func per(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

func positive(v float64) float64 {
	if v <= 0 {
		return math.NaN()
	}
	return v
}

func maybe(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// data finds samples. They are by workload, then by client and mode, then by round.
type data struct {
	*run.Results
	by   map[string]map[string]map[round]*run.Sample
	keys map[string][]string // of a workload, in the order of the tables
}

// round is one of a comparison.
type round struct{ from, number int }

func newData(r *run.Results) *data {
	d := &data{r, map[string]map[string]map[round]*run.Sample{}, map[string][]string{}}
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Failed != "" {
			continue
		}
		if d.by[s.Workload] == nil {
			d.by[s.Workload] = map[string]map[round]*run.Sample{}
		}
		if d.by[s.Workload][s.Key()] == nil {
			d.by[s.Workload][s.Key()] = map[round]*run.Sample{}
			d.keys[s.Workload] = append(d.keys[s.Workload], s.Key())
		}
		d.by[s.Workload][s.Key()][round{s.From, s.Round}] = s
	}
	for _, keys := range d.keys {
		slices.Sort(keys) // the first round was shuffled
	}
	return d
}

// failure is why a client has no figures in a workload; "": it was not asked.
func (d *data) failure(workload, key string) string {
	for i := range d.Samples {
		s := &d.Samples[i]
		if s.Workload == workload && s.Failed != "" && (s.Key() == key || s.Client == "") {
			return s.Failed
		}
	}
	return ""
}

// median is a figure of a client in a workload; NaN: there is none.
func (d *data) median(workload, key string, m metric) float64 {
	var all []float64
	for _, s := range d.by[workload][key] {
		all = append(all, m(s))
	}
	return middle(all)
}

// ratio is a figure of one client divided by that of another in the same round, and the
// median of these; if they have no round in common, that of their medians.
func (d *data) ratio(workload, key, to string, m metric) float64 {
	var all []float64
	for round, s := range d.by[workload][key] {
		if t, ok := d.by[workload][to][round]; ok {
			all = append(all, per(m(s), m(t)))
		}
	}
	if len(all) == 0 {
		return per(d.median(workload, key, m), d.median(workload, to, m))
	}
	return middle(all)
}

func middle(all []float64) float64 {
	all = slices.DeleteFunc(all, math.IsNaN)
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}
