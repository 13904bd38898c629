package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// BadgeText sums reports up for a badge: "12 clients · 1 842 pass · 3 fail".
func BadgeText(reports ...*Report) string {
	var parts []string
	for _, kind := range []PeerKind{EnginePeer, ClientPeer, ServerPeer} {
		n := 0
		for _, r := range reports {
			if r.Peer.Kind.rank() == kind.rank() {
				n++
			}
		}
		switch {
		case n == 0 || kind == EnginePeer && len(reports) == 1:
		case n == 1:
			parts = append(parts, "1 "+string(kind))
		default:
			parts = append(parts, strconv.Itoa(n)+" "+string(kind)+"s")
		}
	}
	for _, v := range []Verdict{Pass, Fail, XPass, Unstable} {
		n := 0
		for _, r := range reports {
			n += r.Count(v)
		}
		if n > 0 || v == Pass {
			parts = append(parts, grouped(n)+" "+v.String())
		}
	}
	return strings.Join(parts, " · ")
}

// grouped writes a number with a narrow space between its thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// Badge writes what [BadgeText] says as a picture in SVG: green without a finding, red
// with one, grey if nothing conclusive was run.
func Badge(w io.Writer, reports ...*Report) error {
	const label = "parley conformance"
	text, colour := BadgeText(reports...), "#57606a"
	for _, r := range reports {
		switch r.Exit() {
		case ExitClean:
			if colour == "#57606a" {
				colour = "#1a7f37"
			}
		case ExitFinding:
			colour = "#b42318"
		}
	}
	var safe strings.Builder
	if err := xml.EscapeText(&safe, []byte(text)); err != nil {
		return err
	}
	left, right := badgeWidth(label), badgeWidth(text)
	_, err := fmt.Fprintf(w, badge, left+right, label, safe.String(), left, right, colour, left+8, left-16, right-16)
	return err
}

// badgeWidth is how wide a text is drawn, its margins of 8 included.
func badgeWidth(s string) int {
	width := 0.0
	for _, c := range s {
		switch {
		case strings.ContainsRune(" \u202fil·jft", c):
			width += 3.8
		case c == 'm' || c == 'w':
			width += 9.8
		default:
			width += 6.8
		}
	}
	return 16 + int(width)
}

const badge = `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="20" viewBox="0 0 %[1]d 20" role="img" aria-label="%[2]s: %[3]s">
<title>%[2]s: %[3]s</title>
<clipPath id="badge-round"><rect width="%[1]d" height="20" rx="4"/></clipPath>
<g clip-path="url(#badge-round)"><rect width="%[4]d" height="20" fill="#31373d"/><rect x="%[4]d" width="%[5]d" height="20" fill="%[6]s"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"><text x="8" y="14" textLength="%[8]d" lengthAdjust="spacingAndGlyphs">%[2]s</text><text x="%[7]d" y="14" textLength="%[9]d" lengthAdjust="spacingAndGlyphs">%[3]s</text></g>
</svg>
`
