package run

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Header is the first line of a file of results: where and with what they were made.
type Header struct {
	Date     string            `json:"date"` // YYYY-MM-DD, UTC
	Machine  string            `json:"machine"`
	CPUs     int               `json:"cpus"`
	System   string            `json:"system"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"`
	Seconds  float64           `json:"seconds"` // each run is meant to take
	Missing  map[string]string `json:"missing"` // client: why

	// What was asked for, if not all.
	Workloads []string `json:"workloads,omitempty"`
	Clients   []string `json:"clients,omitempty"`
}

// whole reports whether all was asked for.
func (h *Header) whole() bool { return len(h.Workloads)+len(h.Clients) == 0 }

// Sample is one run of one client.
type Sample struct {
	Workload string `json:"workload"`
	Client   string `json:"client"`
	Mode     string `json:"mode"` // with the number in flight and what else is special: "chunked x8"
	Round    int    `json:"round"`
	Failed   string `json:"failed,omitempty"` // why there is nothing else; of the whole workload if there is no Client

	From int `json:"-"` // which of the files it is from

	Messages int      `json:"messages,omitempty"`
	Size     int64    `json:"size,omitempty"`     // octets of a message
	Seconds  float64  `json:"seconds,omitempty"`  // of sending
	User     float64  `json:"user,omitempty"`     // processor seconds of the client
	Sys      float64  `json:"sys,omitempty"`      //
	Allocs   *float64 `json:"allocs,omitempty"`   // a message; W8: a session
	Bytes    *float64 `json:"bytes,omitempty"`    // the same
	MaxRSS   int64    `json:"max_rss,omitempty"`  // KiB
	Peak     *float64 `json:"peak,omitempty"`     // KiB beside the message and the program
	Turns    float64  `json:"turns,omitempty"`    // counted by the sink, a message
	SinkCPU  float64  `json:"sink_cpu,omitempty"` // processor seconds of the sink, whole run
	RSS      float64  `json:"rss,omitempty"`      // W8: KiB a session
	Heap     float64  `json:"heap,omitempty"`     // W8: KiB a session
	// W8: goroutines of all sessions together.
	Goroutines int `json:"goroutines,omitempty"`

	// Figures of a kind of their own, by name: system calls, components.
	Other map[string]float64 `json:"other,omitempty"`
}

// Key is what tells the clients of a workload apart.
func (s *Sample) Key() string { return s.Client + " " + s.Mode }

// less takes off what another run has cost. It fails if nothing would be left.
func (s *Sample) less(start *Sample) error {
	n, k := float64(s.Messages), float64(start.Messages)
	if n <= k || s.Seconds <= start.Seconds {
		return errors.New("the start took longer than the run")
	}
	s.Turns = (s.Turns*n - start.Turns*k) / (n - k)
	s.Messages -= start.Messages
	s.Seconds -= start.Seconds
	s.User, s.Sys, s.SinkCPU = max(s.User-start.User, 0), max(s.Sys-start.Sys, 0), max(s.SinkCPU-start.SinkCPU, 0)
	return nil
}

// Results is a whole comparison, maybe with others that came later.
type Results struct {
	Header  Header   // of the last
	Headers []Header // of all, in order
	Samples []Sample
}

// file is where results are appended as they come.
type file struct {
	f   *os.File
	enc *json.Encoder
}

func create(name string, h Header) (*file, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	r := &file{f, json.NewEncoder(f)}
	return r, r.enc.Encode(h)
}

func (r *file) add(s Sample) error { return r.enc.Encode(s) }

// Load reads files of results, the oldest first. What a later one has of a client in a
// workload takes the place of what an earlier one has.
func Load(names ...string) (*Results, error) {
	all := &Results{}
	for i, name := range names {
		r, err := readFile(name)
		if err != nil {
			return nil, err
		}
		all.Header, all.Headers = r.Header, append(all.Headers, r.Header)
		again := map[string]bool{}
		for k := range r.Samples {
			s := &r.Samples[k]
			s.From = i
			again[s.Workload+" "+s.Key()] = true
			again[s.Workload+" "+(&Sample{}).Key()] = true
		}
		all.Samples = append(slices.DeleteFunc(all.Samples, func(s Sample) bool { return again[s.Workload+" "+s.Key()] }), r.Samples...)
	}
	return all, nil
}

func readFile(name string) (*Results, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &Results{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var to any = &r.Header
		if n > 1 {
			r.Samples = append(r.Samples, Sample{})
			to = &r.Samples[len(r.Samples)-1]
		}
		if err := json.Unmarshal(lines.Bytes(), to); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	return r, lines.Err()
}

// Current are the files of results in a directory that count: the last whole comparison, and
// those of single workloads or clients that came after it. Their names sort by time.
func Current(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no results in %s: run compare first", dir)
	}
	slices.Sort(names)
	for i := len(names) - 1; i > 0; i-- {
		r, err := readFile(names[i])
		if err != nil {
			return nil, err
		}
		if r.Header.whole() {
			return names[i:], nil
		}
	}
	return names, nil
}
