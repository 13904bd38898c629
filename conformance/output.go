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

// JUnit writes a report as JUnit XML: one suite for each area, the requirements as
// properties; latitude is passed with a remark, inconclusive and xfail are skipped,
// xpass is a failure.
func JUnit(w io.Writer, r *Report) error {
	var suites []*junitSuite
	byArea := map[string]*junitSuite{}
	for _, o := range r.Outcomes {
		area := o.Case.Area()
		s, ok := byArea[area]
		if !ok {
			s = &junitSuite{Name: area}
			byArea[area], suites = s, append(suites, s)
		}
		c := junitCase{Class: area, Name: path.Base(o.Case.ID)}
		for _, id := range o.Case.Names() {
			c.Properties = append(c.Properties, junitProperty{"requirement", id})
		}
		switch o.Verdict {
		case Fail:
			c.Failure = &junitMessage{o.Failure.Text, o.Report()}
			s.Failures++
		case XPass:
			c.Failure = &junitMessage{"passes, and is known to fail", o.Reason}
			s.Failures++
		case Skip, Inconclusive, XFail:
			c.Skipped = &junitMessage{o.Verdict.String() + ": " + o.Reason, ""}
			s.Skipped++
		case Latitude:
			c.Out = "the RFC allows it and advises against it"
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
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
