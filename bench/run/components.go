package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/parley-mail/parley/bench/component"
	"github.com/parley-mail/parley/bench/load"
)

// ComponentWorkload is the workload of the samples that are timings of parts.
const ComponentWorkload = "components"

// components times the parts in a process of their own, on one processor.
func (h *harness) components(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, h.self, "components")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	client, _ := h.cpu(together)
	if err := startOn(cmd, client); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("components: %w: %s", err, clip(complaint.Bytes()))
	}
	for in := json.NewDecoder(&out); ; {
		var t component.Timing
		err := in.Decode(&t)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(h.Log, "%-45s %12.1f ns %6.2f allocations\n", t.Name, t.Nanos, t.Allocs)
		s := Sample{Workload: ComponentWorkload, Client: t.Name, Mode: load.Plain, Round: 1, Other: map[string]float64{"ns": t.Nanos, "allocs": t.Allocs}}
		if err := h.results.add(s); err != nil {
			return err
		}
	}
}
