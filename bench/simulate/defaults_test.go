package simulate

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// The section of docs/defaults.md that comes from here is between these.
const (
	sectionBegin = "<!-- Written by \"make simulation\": -->\n"
	sectionEnd   = "<!-- to here. -->\n"
)

// defaults is docs/defaults.md with the section anew.
func defaults(t *testing.T, all []sweep) []byte {
	t.Helper()
	page, err := os.ReadFile("../../docs/defaults.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), sectionBegin)
	_, after, also := strings.Cut(rest, sectionEnd)
	if !ok || !also {
		t.Fatal("docs/defaults.md has no place for what the simulation says")
	}
	return []byte(before + sectionBegin + section(all) + sectionEnd + after)
}

const sectionText = `
What a Sender does. The figures are those of [a simulation](simulation.md) of %[1]d servers: how much longer
or shorter a message waits with another value, in the mean or in the middle.

| what | default | why |
|---|---|---|
| connections to a destination | %[2]d; one until it has answered; as many as it took, for ten minutes, where it takes fewer | %[3]s |
| connections being opened at once | %[4]d | those that do not answer keep a place for a minute each; %[5]s |
| connections in all | no limit | for programs that must not have so many files open; %[6]s |
| messages on a connection | no limit; as many as the server took, for ten minutes, where it takes fewer | each new connection costs seven round trips with TLS; %[7]s |
| messages in flight on a connection | 1 | they share its fate, and not every server that offers PIPELINING bears it; %[8]s |
| a connection that idles is kept | %[9]s | %[10]s |
| a connection is used | %[11]s | soon enough for a change of addresses; %[12]s |
| a destination that did not answer is left alone | for as long as it took to find out | its messages would wait a minute each, and keep others from being opened; %[13]s |

%[14]s

`

// section is what the defaults of a Sender are, and what another value would do.
func section(all []sweep) string {
	by := map[string]*sweep{}
	var pictures bytes.Buffer
	for i := range all {
		s := &all[i]
		by[s.name] = s
		if s.picture != "" {
			fmt.Fprintf(&pictures, "![%s](%s)\n", s.title(), s.picture)
		}
	}
	return fmt.Sprintf(sectionText, campaign.Servers,
		defaultConns, by["MaxConns"].others("8", "32"), defaultDialing, by["MaxDialing"].others("128", "2048"), by["MaxTotal"].others("1000", "3000"),
		by["MaxMessages"].others("5", "20"), by["Session.Overlap"].others("2", "4"), span(defaultIdle), by["MaxIdle"].others("15 s", "5 min"),
		span(defaultAge), by["MaxAge"].others("1 min", "30 min"), by[memory].others("none"), strings.TrimSpace(pictures.String()))
}

// others says what values other than the default do.
func (s *sweep) others(names ...string) string {
	var own float64
	for _, v := range s.values {
		if v.isDefault {
			own = float64(s.of(v.outcome))
		}
	}
	var all []string
	for _, v := range s.values {
		for _, name := range names {
			if v.name != name {
				continue
			}
			percent := math.Round(100 * (float64(s.of(v.outcome))/own - 1))
			switch {
			case percent == 0:
				all = append(all, name+": the same")
			default:
				all = append(all, fmt.Sprintf("%s: %+.0f %%", name, percent))
			}
		}
	}
	return strings.Join(all, ", ")
}
