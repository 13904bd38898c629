package fsm

import (
	"fmt"
	"slices"
	"strings"
)

// SVG returns the whole machine as one picture. Each state and each arrow is a group
// with a stable id, "fsm-state-ready" and "fsm-edge-ready-sender", and with classes
// for what it is, so that a style sheet or a script can colour what a test run has
// reached. The picture carries its own styles for light and for dark surroundings.
func SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, svgHead, pictureWidth, pictureHeight, pictureWidth, pictureHeight)
	happy := happyPath()
	arrows := Arrows()
	for _, w := range ways {
		k := slices.IndexFunc(arrows, func(a Arrow) bool { return a.From == w.from && a.To == w.to })
		if k >= 0 && w.corners != nil {
			writeArrow(&b, arrows[k], w, slices.Contains(happy, arrows[k].ID()))
		}
	}
	for s := range numStates {
		writeState(&b, s, slices.DeleteFunc(slices.Clone(arrows), func(a Arrow) bool { return a.From != s || !badge(a) }))
	}
	b.WriteString(svgFoot)
	return b.String()
}

// badge reports whether a is drawn inside the box of the state it starts from.
func badge(a Arrow) bool {
	return slices.ContainsFunc(ways, func(w way) bool { return w.from == a.From && w.to == a.To && w.corners == nil })
}

// happyPath returns the ids of the arrows that one message takes which meets no
// refusal, from Idle to Ready again.
func happyPath() []string {
	inputs := []Input{Dial, Up}
	for _, c := range []Command{Connect, Ehlo, Mail, Rcpt, Data, EndOfData} {
		inputs = append(inputs, On(c, c.Expect()))
	}
	var ids []string
	from := Idle
	for _, i := range inputs {
		to, _ := Next(from, i)
		ids = append(ids, edgeID(from, to))
		from = to
	}
	return ids
}

func writeState(b *strings.Builder, s State, badges []Arrow) {
	p := boxes[s]
	x, y := p.left+p.width/2, p.top+22
	fmt.Fprintf(b, "<g id=%q class=\"state %v\">\n<title>%v: %s</title>\n", stateID(s), s.Phase(), s, s.Note())
	fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"10\"/>\n", p.left, p.top, p.width, p.height)
	fmt.Fprintf(b, "<text class=\"name\" x=\"%d\" y=\"%d\">%v</text>\n", x, y, s)
	fmt.Fprintf(b, "<text class=\"note\" x=\"%d\" y=\"%d\">%s</text>\n", x, y+19, s.Note())

	// Badges stand in a row: under the note, or, in a wide box, in its right corner.
	width := -badgeGap
	for _, a := range badges {
		width += badgeWidth(a) + badgeGap
	}
	left, top := x-width/2, p.top+52
	if p.width > 3*width {
		left, top = p.left+p.width-width-16, p.top+p.height-28
	}
	for _, a := range badges {
		fmt.Fprintf(b, "<g id=%q class=\"edge badge %v\">\n<title>%v: %s (%s)</title>\n", a.ID(), a.To.Phase(), a.To, a.Label(), joinRefs(a.Refs()))
		fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"18\" rx=\"9\"/>\n", left, top, badgeWidth(a))
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">%s</text>\n</g>\n", left+badgeWidth(a)/2, top+13, a.Label())
		left += badgeWidth(a) + badgeGap
	}
	b.WriteString("</g>\n")
}

const badgeGap = 6

func badgeWidth(a Arrow) int { return 16 + 6*len(a.Label()) }

func writeArrow(b *strings.Builder, a Arrow, w way, happy bool) {
	class := "edge"
	if happy {
		class += " happy"
	}
	if a.InFlight() {
		class += " in-flight"
	}
	fmt.Fprintf(b, "<g id=%q class=%q>\n<title>%v → %v: %s (%s)</title>\n", a.ID(), class, a.From, a.To, a.Label(), joinRefs(a.Refs()))
	writeLine(b, w.corners)
	y := w.label.y
	for _, l := range a.Labels() {
		for _, line := range inscription(l, w.width) {
			fmt.Fprintf(b, "<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", w.side, w.label.x, y, line)
			y += 16
		}
	}
	b.WriteString("</g>\n")
}

// writeLine draws a line around its corners, which are rounded, with a head.
func writeLine(b *strings.Builder, p []point) {
	last := len(p) - 1
	from, end := p[last-1], p[last]
	d := direction(from, end)
	neck := point{end.x - 8*d.x, end.y - 8*d.y}
	fmt.Fprintf(b, "<path class=\"line\" d=\"M%d %d", p[0].x, p[0].y)
	for i := 1; i < last; i++ {
		in, out := direction(p[i-1], p[i]), direction(p[i], p[i+1])
		fmt.Fprintf(b, " L%d %d Q%d %d %d %d", p[i].x-8*in.x, p[i].y-8*in.y, p[i].x, p[i].y, p[i].x+8*out.x, p[i].y+8*out.y)
	}
	fmt.Fprintf(b, " L%d %d\"/>\n", neck.x, neck.y)
	fmt.Fprintf(b, "<path class=\"head\" d=\"M%d %d L%d %d L%d %d Z\"/>\n", end.x, end.y,
		end.x-10*d.x-5*d.y, end.y-10*d.y-5*d.x, end.x-10*d.x+5*d.y, end.y-10*d.y+5*d.x)
}

// direction returns the step of one from a towards b; lines are upright or level.
func direction(a, b point) point { return point{sign(b.x - a.x), sign(b.y - a.y)} }

func sign(n int) int { return min(1, max(-1, n)) }

// inscription writes a label in lines of about width characters. Commands and
// classes of replies are set apart.
func inscription(l Label, width int) []string {
	type word struct{ text, class string }
	var words []word
	for _, w := range l.Words {
		words = append(words, word{w, "what"})
	}
	for _, w := range strings.Fields(l.Replies()) {
		words = append(words, word{w, "reply"})
	}
	if l.InFlight {
		words[0].text = "(" + words[0].text
		words[len(words)-1].text += ")"
	}
	var lines []string
	line, used := "", 0
	for _, w := range words {
		if used > 0 && used+1+len(w.text) > width {
			lines, line, used = append(lines, line), "", 0
		}
		if used > 0 {
			line += " "
			used++
		}
		line += fmt.Sprintf("<tspan class=%q>%s</tspan>", w.class, w.text)
		used += len(w.text)
	}
	return append(lines, line)
}

const svgHead = `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="fsm-title fsm-desc">
<!-- Generated from fsm/table.go by "go generate ./fsm". Do not edit. -->
<title id="fsm-title">The dialogue of an SMTP client</title>
<desc id="fsm-desc">A state machine. Its states are what the server has acknowledged; its arrows are replies to commands, by first digit. A session opens at the top, waits for mail in the state ready, and comes back there after every mail transaction, below.</desc>
<style>
text { font-family: "Segoe UI", "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif; font-size: 12px; fill: #1f2328; text-anchor: middle; }
.ground { fill: #ffffff; }
.title { font-size: 19px; font-weight: 600; text-anchor: start; }
.name { font-size: 15px; font-weight: 600; }
.note { fill: #424a53; }
.words { font-size: 13px; text-anchor: start; }
.start { text-anchor: start; }
.end { text-anchor: end; }
.what { font-weight: 600; }
.reply { fill: #57606a; }
.state rect { stroke-width: 1.5; }
.opening rect { fill: #ddf4ff; stroke: #0969da; }
.ready rect { fill: #dafbe1; stroke: #1a7f37; }
.transaction rect { fill: #fff3d6; stroke: #9a6700; }
.closed rect { fill: #eaeef2; stroke: #57606a; }
.failed rect { fill: #ffebe9; stroke: #cf222e; }
.badge rect { stroke-width: 1; }
.badge.closed rect { fill: #eaeef2; stroke: #57606a; }
.badge.failed rect { fill: #ffebe9; stroke: #cf222e; }
.badge text { font-size: 10px; }
.line { fill: none; stroke: #57606a; stroke-width: 1.5; }
.head { fill: #57606a; }
.happy .line { stroke: #1f2328; stroke-width: 3; }
.happy .head { fill: #1f2328; stroke: #1f2328; stroke-width: 2; }
.in-flight .line { stroke-dasharray: 5 4; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.ground { fill: #0d1117; }
.note { fill: #c3ccd5; }
.reply { fill: #9ea7b1; }
.opening rect { fill: #0c2d4d; stroke: #58a6ff; }
.ready rect { fill: #0f3620; stroke: #3fb950; }
.transaction rect { fill: #3d2c05; stroke: #d29922; }
.closed rect, .badge.closed rect { fill: #2b3138; stroke: #8b949e; }
.failed rect, .badge.failed rect { fill: #4c1518; stroke: #f85149; }
.line { stroke: #8b949e; }
.head { fill: #8b949e; }
.happy .line { stroke: #e6edf3; }
.happy .head { fill: #e6edf3; stroke: #e6edf3; }
}
</style>
<rect class="ground" width="100%%" height="100%%" rx="12"/>
<text class="title" x="30" y="38">The dialogue of an SMTP client</text>
`

const svgFoot = `<g class="legend">
<text class="words" x="174" y="948">QUIT, whatever the reply or none at all: the grey badges.</text>
<text class="words" x="174" y="968">Abort, in any live state and in idle.</text>
<text class="words" x="764" y="948">RSET refused: the red badges.</text>
<text class="words" x="764" y="968">421, malformed, lost, expired: in any live state.</text>
<g class="happy"><path class="line" d="M30 1009 L72 1009"/><path class="head" d="M80 1009 L70 1004 L70 1014 Z"/></g>
<text class="words" x="90" y="1014">One message that meets no refusal.</text>
<g class="in-flight"><path class="line" d="M30 1037 L72 1037"/><path class="head" d="M80 1037 L70 1032 L70 1042 Z"/></g>
<text class="words" x="90" y="1042">Dashed, in parentheses: in flight only; may be answered there, not sent there.</text>
<text class="words" x="620" y="1014">MAIL 2yz: a reply of class 2yz to MAIL. A refusal without an arrow changes nothing.</text>
<text class="words" x="620" y="1042">Live: all states but idle, closed, failed. With +: one of several replies, not the last (LMTP).</text>
</g>
</svg>
`
