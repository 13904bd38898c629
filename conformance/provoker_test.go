package conformance_test

import (
	"regexp"
	"testing"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

var long = regexp.MustCompile(`\[(fill=x\*|rep=)[0-9]{6}`)

// The engine is sound against the server that foreign clients are fuzzed with, and what
// it makes of each plan is a case that it passes.
func TestRetell(t *testing.T) {
	head, err := smtpt.Parse("retold", []byte("call open data=data\ncall send from=a@c.example to=x@s.example,y@s.example body=@message\n-- message --\nSubject: t\n\nhello\n"))
	if err != nil {
		t.Fatal(err)
	}
	retell := func(plan []byte) {
		o, text := conformance.Retell(head, plan)
		if o.Failure != nil {
			t.Fatalf("%x: %s", plan, o.Report())
		}
		if long.Match(text) {
			return // so many plays of a reply without end take their time
		}
		script, err := smtpt.Parse("retold", text)
		if err != nil {
			t.Fatalf("%x: %v in\n%s", plan, err, text)
		}
		c, err := conformance.NewCase("retold", script)
		if err != nil {
			t.Fatalf("%x: %v", plan, err)
		}
		if o := conformance.Run(c, conformance.Options{}); o.Verdict.Finding() {
			t.Fatalf("%x: %s\n%s", plan, o.Report(), text)
		}
	}
	for _, plan := range conformance.ProvokerPlans(1) {
		retell(plan)
	}
	plans := conformance.NewCorpus(1)
	for range 300 {
		retell(plans.Next())
	}
}
