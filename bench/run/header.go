package run

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// peerModules are the peers that are linked in.
var peerModules = []string{"github.com/emersion/go-smtp", "github.com/wneessen/go-mail", "github.com/xhit/go-simple-mail/v2", "github.com/mjl-/mox"}

// header says where and with what.
func header(ctx context.Context, k *kit, c *Config) Header {
	h := Header{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: processor(), CPUs: runtime.NumCPU(), System: system(),
		Versions: map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")}, Rounds: c.Rounds, Seconds: c.Target.Seconds(), Missing: k.missing, Workloads: c.Workloads, Clients: c.Clients,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			for _, peer := range peerModules {
				if m.Path == peer {
					h.Versions[peer] = m.Version
				}
			}
		}
	}
	for name, ask := range map[string][]string{
		"gcc": {"gcc", "-dumpfullversion"}, "curl": {"curl", "--version"}, "Python": {"python3", "--version"},
		"Postfix": {"postconf", "-d", "-h", "mail_version"}, "Node": {"node", "--version"}, "Parley": {"git", "rev-parse", "--short", "HEAD"},
	} {
		out, err := exec.CommandContext(ctx, ask[0], ask[1:]...).Output()
		if err != nil {
			continue
		}
		first, _, _ := bytes.Cut(out, []byte("\n"))
		if v := versionText.Find(first); v != nil {
			h.Versions[name] = string(v)
		}
	}
	return h
}

var versionText = regexp.MustCompile(`\d+\.\d[\w.]*|\b[0-9a-f]{7,}\b`)

// processor is the model of the processor; "unknown" where the system does not tell.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	if m := regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`).FindSubmatch(info); m != nil {
		return string(m[1])
	}
	return "unknown"
}

func system() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS + "/" + runtime.GOARCH
	}
	kernel, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	return "Linux " + kernel + " " + runtime.GOARCH
}
