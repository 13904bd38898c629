package fsm_test

import (
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-mail/parley/fsm"
)

// element is a part of the picture.
type element struct {
	XMLName  xml.Name
	ID       string    `xml:"id,attr"`
	Class    string    `xml:"class,attr"`
	X        float64   `xml:"x,attr"`
	Y        float64   `xml:"y,attr"`
	Width    string    `xml:"width,attr"`
	Height   string    `xml:"height,attr"`
	D        string    `xml:"d,attr"`
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// Every state and every arrow is in the picture once, under its id, with a title.
func TestPictureIsComplete(t *testing.T) {
	count := map[string]int{}
	var walk func(element)
	walk = func(e element) {
		if e.ID != "" {
			count[e.ID]++
			if strings.HasPrefix(e.ID, "fsm-state-") || strings.HasPrefix(e.ID, "fsm-edge-") {
				if len(e.Children) == 0 || e.Children[0].XMLName.Local != "title" || e.Children[0].Text == "" {
					t.Errorf("%s has no title", e.ID)
				}
			}
		}
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(parsed(t))
	want := map[string]bool{"fsm-title": true, "fsm-desc": true}
	for _, s := range fsm.States() {
		want["fsm-state-"+s.String()] = true
	}
	for _, a := range fsm.Arrows() {
		want[a.ID()] = true
	}
	for id := range want {
		if count[id] != 1 {
			t.Errorf("%s is there %d times", id, count[id])
		}
	}
	for id := range count {
		if !want[id] {
			t.Errorf("%s is unknown", id)
		}
	}
}

// The bold way is one message that meets no refusal.
func TestPictureHasTheHappyPath(t *testing.T) {
	var got []string
	for _, e := range parsed(t).Children {
		if e.Class == "edge happy" {
			got = append(got, strings.TrimPrefix(e.ID, "fsm-edge-"))
		}
	}
	want := "idle-connecting connecting-greeting greeting-greeted greeted-ready ready-sender sender-recipients recipients-content content-ready"
	if strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
}

// Nothing covers anything else: no inscription touches a box, a line or another
// inscription, no line runs through a box or crosses another, and every text is
// inside its box and the picture. Widths are those of a wide font.
func TestPictureIsLegible(t *testing.T) {
	all := parsed(t)
	var boxes, words, lines []item
	for _, e := range all.Children {
		for _, c := range e.Children {
			switch {
			case strings.HasPrefix(e.ID, "fsm-state-") && c.XMLName.Local == "rect":
				boxes = append(boxes, item{e.ID, frame(t, c)})
			case strings.HasPrefix(e.ID, "fsm-edge-") && c.XMLName.Local == "text":
				words = append(words, item{e.ID, textFrame(c, 8.2, 7)})
			case c.XMLName.Local == "path" && c.Class == "line" && e.ID != "":
				for _, s := range segments(t, c.D) {
					lines = append(lines, item{e.ID, s})
				}
			case e.Class == "legend" && c.XMLName.Local == "text":
				words = append(words, item{"legend", textFrame(c, 0, 6.1)})
			}
		}
	}
	picture := rect{0, 0, number(t, all.Width), number(t, all.Height)}
	for k, w := range words {
		if !w.inside(picture) {
			t.Errorf("an inscription of %s leaves the picture: %v", w.id, w.rect)
		}
		for _, o := range append(append(words[k+1:len(words):len(words)], boxes...), lines...) {
			if w.touches(o.rect) {
				t.Errorf("an inscription of %s at %v touches %s at %v", w.id, w.rect, o.id, o.rect)
			}
		}
	}
	for k, l := range lines {
		for _, b := range boxes {
			if l.touches(b.rect.shrunk(1)) {
				t.Errorf("%s runs through %s", l.id, b.id)
			}
		}
		for _, o := range lines[k+1:] {
			if l.id != o.id && l.touches(o.rect) {
				t.Errorf("%s crosses %s", l.id, o.id)
			}
		}
	}
	for _, e := range all.Children {
		if !strings.HasPrefix(e.ID, "fsm-state-") {
			continue
		}
		box := frame(t, e.Children[1])
		if !box.inside(picture) {
			t.Errorf("%s leaves the picture", e.ID)
		}
		for _, c := range e.Children[2:] {
			inner := textFrame(c, 0, 6.3)
			if c.XMLName.Local == "g" {
				inner = frame(t, c.Children[1])
				if !textFrame(c.Children[2], 0, 6.5).inside(inner) {
					t.Errorf("the badge %s is too small", c.ID)
				}
			}
			if !inner.inside(box.shrunk(2)) {
				t.Errorf("%s: %v is not inside %v", e.ID, inner, box)
			}
		}
	}
}

type item struct {
	id string
	rect
}

type rect struct{ left, top, right, bottom float64 }

func (r rect) touches(o rect) bool {
	return r.left < o.right && o.left < r.right && r.top < o.bottom && o.top < r.bottom
}

func (r rect) inside(o rect) bool {
	return r.left >= o.left && r.right <= o.right && r.top >= o.top && r.bottom <= o.bottom
}

func (r rect) shrunk(n float64) rect { return rect{r.left + n, r.top + n, r.right - n, r.bottom - n} }

func parsed(t *testing.T) element {
	t.Helper()
	var e element
	if err := xml.Unmarshal([]byte(fsm.SVG()), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func frame(t *testing.T, e element) rect {
	t.Helper()
	return rect{e.X, e.Y, e.X + number(t, e.Width), e.Y + number(t, e.Height)}
}

// textFrame returns what a text covers, if commands are strong wide and the rest
// plain wide a character.
func textFrame(e element, strong, plain float64) rect {
	width := float64(len([]rune(strings.TrimSpace(e.Text)))) * plain
	for k, c := range e.Children {
		if k > 0 {
			width += 4
		}
		if c.Class == "what" {
			width += float64(len(c.Text)) * strong
		} else {
			width += float64(len(c.Text)) * plain
		}
	}
	r := rect{e.X - width/2, e.Y - 10, e.X + width/2, e.Y + 3}
	switch e.Class {
	case "start", "words":
		r.left, r.right = e.X, e.X+width
	case "end":
		r.left, r.right = e.X-width, e.X
	}
	return r
}

// segments returns the stretches of a line, each a pixel and a half wide.
func segments(t *testing.T, d string) []rect {
	t.Helper()
	var all []rect
	var x, y float64
	for k, m := range regexp.MustCompile(`([MLQ])([\d ]+)`).FindAllStringSubmatch(d, -1) {
		n := strings.Fields(m[2])
		toX, toY := number(t, n[len(n)-2]), number(t, n[len(n)-1])
		if k > 0 {
			all = append(all, rect{min(x, toX) - .75, min(y, toY) - .75, max(x, toX) + .75, max(y, toY) + .75})
		}
		x, y = toX, toY
	}
	return all
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
