package component_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/parley-mail/parley/bench/component"
)

// Every part runs, once.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := component.Run(&out, 1, "1x"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for in := json.NewDecoder(&out); in.More(); {
		var p component.Timing
		if err := in.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Nanos <= 0 {
			t.Errorf("%s took no time: it failed", p.Name)
		}
		seen[p.Name] = true
	}
	for _, name := range []string{component.Step, component.Parse, component.Callback, component.StuffLines, component.Copy, component.EHLO, component.Message, component.MessageBDAT, component.Message100, component.Looplab} {
		if !seen[name] {
			t.Errorf("%s did not run", name)
		}
	}
}
