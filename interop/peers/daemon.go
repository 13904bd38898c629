//go:build unix

package peers

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is a server process in the foreground, with a process group of its own
// and its output in a file.
type daemon struct {
	cmd    *exec.Cmd
	log    string        // the file
	exited chan struct{} // closed when the process has ended
	err    error         // how; valid when exited is closed
}

// launch starts a program. What it prints goes to log.
func launch(log string, env []string, program string, args ...string) (*daemon, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	d := &daemon{cmd: exec.Command(path, args...), log: log, exited: make(chan struct{})}
	d.cmd.Dir = filepath.Dir(log)
	d.cmd.Env = append(os.Environ(), env...)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.exited)
	}()
	return d, nil
}

// stop asks the process to end, and kills its group when it does not.
func (d *daemon) stop() error {
	if d == nil {
		return nil
	}
	pid := d.cmd.Process.Pid
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	var slow error
	select {
	case <-d.exited:
	case <-time.After(10 * time.Second):
		slow = fmt.Errorf("%s did not end when asked to", d.cmd.Path)
		_ = d.cmd.Process.Kill()
	}
	<-d.exited
	return errors.Join(slow, killGroup(pid))
}

// killGroup ends the children that outlive their parent and waits until they have
// let go of its ports.
func killGroup(id int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return poll(ctx, func() error {
		switch err := syscall.Kill(-id, syscall.SIGKILL); {
		case errors.Is(err, syscall.ESRCH):
			return nil
		case err != nil:
			return permanent{err}
		}
		return fmt.Errorf("process group %d is still there", id)
	})
}

// output returns what the process has printed.
func (d *daemon) output() string {
	if d == nil {
		return ""
	}
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// ready waits until the probe succeeds or the process has ended.
func (d *daemon) ready(ctx context.Context, probe func(context.Context) error) error {
	return poll(ctx, func() error {
		select {
		case <-d.exited:
			return permanent{fmt.Errorf("%s ended: %v\n%s", d.cmd.Path, d.err, d.output())}
		default:
			return probe(ctx)
		}
	})
}

// find looks for a program where servers live, beside the usual path.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/lib/postfix/sbin", "/usr/local/sbin"} {
		if err == nil || strings.Contains(program, "/") {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, program))
	}
	if err != nil {
		return "", fmt.Errorf("%s is not installed (run interop/install.sh): %w", program, err)
	}
	return path, nil
}

// tree returns the directory into which interop/install.sh has unpacked a server.
func tree(name string) (string, error) {
	cache := os.Getenv("PARLEY_PEERS")
	if cache == "" {
		base := "/var/cache"
		if os.Geteuid() != 0 {
			var err error
			if base, err = os.UserCacheDir(); err != nil {
				return "", err
			}
		}
		cache = filepath.Join(base, "parley-peers")
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("%s is not unpacked (run interop/install.sh all): %w", name, err)
	}
	return dir, nil
}

// libraries is the environment in which a program of a tree finds what came with it.
func libraries(tree string) string {
	dirs := []string{filepath.Join(tree, "usr", "lib")}
	for _, lib := range []string{"usr/lib", "lib"} {
		arch, _ := filepath.Glob(filepath.Join(tree, lib, "*-linux-gnu*"))
		dirs = append(dirs, arch...)
	}
	return "LD_LIBRARY_PATH=" + strings.Join(dirs, ":")
}

// firstLine runs a program for the first line it prints.
func firstLine(env, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.Output()
	line, _, _ := strings.Cut(string(out), "\n")
	if err != nil {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	return line, nil
}

// packaged returns a package and its version, for programs that do not tell theirs.
func packaged(name string) (string, error) {
	return firstLine("LC_ALL=C", "dpkg-query", "-W", "-f", "${Package} ${Version}", name)
}

// ids returns the numbers of a system user.
func ids(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("%w (run interop/install.sh)", err)
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// owned makes directories below dir that belong to a user.
func owned(dir string, uid, gid int, names ...string) error {
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// mustBeRoot is the answer of servers that change their user.
func mustBeRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("its processes change their user, so this needs root")
	}
	return nil
}

// permanent is an error that waiting does not cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// poll calls try until it succeeds, fails for good, or ctx ends.
func poll(ctx context.Context, try func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil || errors.As(err, new(permanent)) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// freeAddrs returns n loopback addresses that nobody listens on. They are held
// open together so that they differ, and released before the return. They are below the
// ports that connections are given (32768 and above on Linux), so that none is taken
// between here and the server's start.
func freeAddrs(n int) ([]string, error) {
	const low, high = 20000, 32768
	var addrs []string
	port := low + rand.IntN(high-low)
	for range high - low {
		if len(addrs) == n {
			break
		}
		if port++; port >= high {
			port = low
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	if len(addrs) < n {
		return nil, fmt.Errorf("no %d free ports from %d to %d", n, low, high)
	}
	return addrs, nil
}

// greets reports whether a server at addr says 220. With secure it speaks TLS
// from the first octet; who the server is does not matter here.
func greets(ctx context.Context, addr string, secure bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var dialer interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	} = &net.Dialer{}
	if secure {
		dialer = &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	}
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("greeting of %s: %w", addr, err)
	}
	if !strings.HasPrefix(line, "220") {
		return fmt.Errorf("greeting of %s: %q", addr, line)
	}
	_, err = c.Write([]byte("QUIT\r\n"))
	return err
}

// accepts reports whether something listens at addr.
func accepts(ctx context.Context, addr string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}
