package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"
)

// TAPHeader writes the head of a TAP 14 document about n cases.
func TAPHeader(w io.Writer, n int) error {
	_, err := fmt.Fprintf(w, "TAP version 14\n1..%d\n", n)
	return err
}

// TAP writes the outcome number n as a test point.
func TAP(w io.Writer, n int, o *Outcome) error {
	status, directive := "ok", ""
	switch o.Verdict {
	case Fail:
		status = "not ok"
	case XFail:
		status, directive = "not ok", " # TODO "+o.Reason
	case XPass:
		directive = " # TODO " + o.Reason
	case Skip, Inconclusive:
		directive = " # SKIP " + o.Reason
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d - %s%s\n", status, n, o.Case.ID, directive)
	if o.Failure != nil {
		b.WriteString("  ---\n")
		fmt.Fprintf(&b, "  message: %q\n", o.Failure.Text)
		fmt.Fprintf(&b, "  line: %d\n", o.Failure.Pos.Line)
		fmt.Fprintf(&b, "  wanted: %q\n", o.Failure.Want)
		fmt.Fprintf(&b, "  found: %q\n", o.Failure.Got)
		fmt.Fprintf(&b, "  variant: %q\n", o.Variant.String())
		b.WriteString("  ...\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class      string          `xml:"classname,attr"`
	Name       string          `xml:"name,attr"`
	Seconds    float64         `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property,omitempty"`
	Failure    *junitMessage   `xml:"failure"`
	Skipped    *junitMessage   `xml:"skipped"`
	Out        string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes reports as JUnit XML: one suite for each area, of each peer if there are
// several, the requirements as properties; latitude is passed with a remark, inconclusive
// and xfail are skipped, xpass and unstable are failures.
func JUnit(w io.Writer, reports ...*Report) error {
	var suites []*junitSuite
	for _, r := range reports {
		peer := ""
		if len(reports) > 1 {
			peer = r.Peer.String() + "."
		}
		byArea := map[string]*junitSuite{}
		for _, o := range r.Outcomes {
			area := peer + o.Case.Area()
			s, ok := byArea[area]
			if !ok {
				s = &junitSuite{Name: area}
				byArea[area], suites = s, append(suites, s)
			}
			s.add(o)
		}
	}
	if _, err := io.WriteString(w, xml.Header+"<testsuites>\n"); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	for _, s := range suites {
		if err := e.Encode(s); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\n</testsuites>\n")
	return err
}

func (s *junitSuite) add(o *Outcome) {
	c := junitCase{Class: s.Name, Name: path.Base(o.Case.ID), Seconds: o.Duration.Seconds()}
	for _, id := range o.Case.Names() {
		c.Properties = append(c.Properties, junitProperty{"requirement", id})
	}
	switch o.Verdict {
	case Fail:
		c.Failure = &junitMessage{o.Reason, o.Report()}
		if o.Failure != nil {
			c.Failure.Message = o.Failure.Text
		}
	case XPass:
		c.Failure = &junitMessage{"passes, and is known to fail", o.Reason}
	case Unstable:
		c.Failure = &junitMessage{o.Reason, o.Report()}
	case Skip, Inconclusive, XFail:
		c.Skipped = &junitMessage{o.Verdict.String() + ": " + o.Reason, ""}
	case Latitude:
		c.Out = "the RFC allows it and advises against it"
	}
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}
