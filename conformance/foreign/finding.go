package foreign

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/smtpt"
)

// Finding is a fault, with the shortest plan found that shows it.
type Finding struct {
	Fault
	Plan   []byte
	Again  string        // the command of the shell that shows it again
	Script *smtpt.Script // the session as a case, as an honest client plays it
}

// finding writes a play down.
func (f *Fuzzer) finding(plan []byte, p *play) (*Finding, error) {
	x := &Finding{Fault: *p.fault(), Plan: plan}
	x.Again = "parley fuzz --client " + quote(f.client.Command) + " --plan " + hex.EncodeToString(plan)
	head, err := smtpt.Parse("found", []byte(x.head()+
		"call open name="+hello+" data=data\ncall send from="+sender+" to="+recipients+" body=@"+message+"\n"+
		"-- "+message+" --\n"+strings.ReplaceAll(content, "\r\n", "\n")+
		"-- seen --\n"+p.seen()))
	if err != nil {
		return nil, err
	}
	o, text := conformance.Retell(head, plan)
	if o.Failure != nil {
		return nil, fmt.Errorf("by the plan %x this engine is at fault, and not only the client:\n%s", plan, o.Report())
	}
	if x.Script, err = smtpt.Parse("found", text); err != nil {
		return nil, err
	}
	return x, nil
}

// head is what a reader of the case has to know.
func (x *Finding) head() string {
	return "# Found by fuzzing a client: " + smtpt.Escape([]byte(x.Text), false) + ".\n" +
		"# To see it again: " + smtpt.Escape([]byte(x.Again), false) + "\n" +
		"# This is the session as an honest client plays it. What was seen stands at the end.\n\n"
}

// seen is the session of the client, and how it ended.
func (p *play) seen() string {
	var b strings.Builder
	b.WriteString(strings.Join(p.server.Steps, ""))
	fmt.Fprintf(&b, "exit code %d", p.exit.Code)
	if p.exit.Crash != "" {
		fmt.Fprintf(&b, ", %s", smtpt.Escape([]byte(p.exit.Crash), false))
	}
	if p.exit.Hung {
		b.WriteString(", it had to be ended")
	}
	b.WriteString("\n")
	lines := bytes.Split(bytes.TrimSpace(p.exit.Stderr), []byte("\n"))
	for _, line := range lines[max(0, len(lines)-lastLines):] {
		fmt.Fprintf(&b, "stderr: %s\n", smtpt.Escape(bytes.TrimRight(line[:min(len(line), 200)], "\r"), false))
	}
	return b.String()
}

// lastLines are those of standard error that are kept.
const lastLines = 10

// quote makes a word for the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
