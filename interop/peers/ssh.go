//go:build unix

package peers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// NewSSH returns `ssh -D` to an sshd of its own: SOCKS4, SOCKS4a and SOCKS5 on
// one port. On failure it closes without a word.
func NewSSH() *Proxy {
	return &Proxy{name: "ssh", program: "ssh", pkg: "openssh-client", kinds: []Kind{SOCKS5, SOCKS4, SOCKS4A}, prepare: func(ctx context.Context, p *Proxy, _ *Site) ([]string, error) {
		user, err := sshKeys(p.dir)
		if err != nil {
			return nil, err
		}
		free, err := freeAddrs(1)
		if err != nil {
			return nil, err
		}
		host, port, _ := net.SplitHostPort(free[0])
		conf := filepath.Join(p.dir, "sshd_config")
		text := fmt.Sprintf(`ListenAddress %s
Port %s
HostKey %s/host
PidFile none
AuthorizedKeysFile %s/user.pub
StrictModes no
PermitRootLogin yes
UsePAM no
`, host, port, p.dir, p.dir)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return nil, err
		}
		// It refuses to run without this directory, even where it does not use it.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
		sshd, err := find("sshd")
		if err != nil {
			return nil, err
		}
		server, err := launch(filepath.Join(p.dir, "sshd"), nil, sshd, "-D", "-e", "-f", conf)
		if err != nil {
			return nil, err
		}
		p.stops = append(p.stops, server.stop)
		if err := server.ready(ctx, func(ctx context.Context) error { return accepts(ctx, free[0]) }); err != nil {
			return nil, err
		}
		args := []string{
			"-F", "none", "-N", "-i", filepath.Join(p.dir, "user"), "-p", port, "-l", user,
			"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "ExitOnForwardFailure=yes",
			"-o", "UserKnownHostsFile=" + filepath.Join(p.dir, "known"),
		}
		for _, k := range p.kinds {
			args = append(args, "-D", p.addrs[k])
		}
		return append(args, host), nil
	}}
}

// sshKeys makes the host's and the user's key and returns who the user is.
func sshKeys(dir string) (string, error) {
	for _, name := range []string{"host", "user"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	out, err := exec.Command("id", "-un").Output()
	return string(out[:max(0, len(out)-1)]), err
}
