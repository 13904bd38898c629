package report

import (
	"bytes"
	"slices"
	"strings"

	"github.com/parley-mail/parley/bench/chart"
)

// gain is how many times better Parley is than a peer at something.
type gain struct {
	name     string
	workload string
	key      string // of Parley
	metric   metric
	cost     bool // less is better
}

var gains = []gain{
	{"1 in flight", "w1", chunked, rate, false},
	{"8 in flight", "w1", x8, rate, false},
	{"100 recipients", "w2", chunked, rate, false},
	{"64 sessions", "w4", chunked, rate, false},
	{"20 ms away", "w7", chunked, rate, false},
	{"20 ms away, 8 in flight", "w7", x8, rate, false},
	{"CPU a message", "w1", chunked, cpu, true},
	{"CPU of 32 MiB by DATA", "w3", pipelined, cpu, true},
	{"memory, idle", "w8", plain, rss, true},
}

func (g *gain) over(d *data, peer string) float64 {
	if g.cost {
		return d.ratio(g.workload, peer, g.key, g.metric)
	}
	return d.ratio(g.workload, g.key, peer, g.metric)
}

// short is what a reader wants to know first.
func (d *data) short(b *bytes.Buffer) {
	peers := slices.DeleteFunc(slices.Clone(d.keys["w1"]), func(key string) bool {
		client, _, _ := strings.Cut(key, " ")
		return client == "parley" || client == "probe" || strings.HasPrefix(client, "blaster-")
	})
	if len(peers) == 0 {
		return
	}
	b.WriteString("## In short\n\nHow many times as many messages a second Parley sends as each of the others, on one connection but for the 64,\n" +
		"to a server that offers PIPELINING and CHUNKING; then how much more the others take of the processor and of memory.\n\n")
	head, rule := []string{"client"}, []string{"---"}
	for i := range gains {
		head, rule = append(head, gains[i].name), append(rule, "---:")
	}
	row(b, head...)
	row(b, rule...)
	for _, peer := range peers {
		cells := []string{peer}
		for i := range gains {
			cells = append(cells, chart.Figure(gains[i].over(d, peer)))
		}
		row(b, cells...)
	}
	b.WriteString("\n")
}
