//go:build unix

package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// OpenSMTPD is Debian's OpenSMTPD. It offers no PIPELINING and closes on a
// command sent ahead. Debian 12's build offers STARTTLS on the [StartTLS] port
// and then fails every handshake, as it does on [SMTPS], which no test server of our own
// does so well.
// Its spool directory is compiled in, so only one runs at a time.
type OpenSMTPD struct {
	dir   string
	addrs map[Kind]string
	proc  *daemon
}

// NewOpenSMTPD returns an OpenSMTPD that is not started yet.
func NewOpenSMTPD() *OpenSMTPD { return &OpenSMTPD{} }

// Name returns "opensmtpd".
func (*OpenSMTPD) Name() string { return "opensmtpd" }

// Version returns OpenSMTPD's own words.
func (*OpenSMTPD) Version() (string, error) {
	dir, err := tree("opensmtpd")
	if err != nil {
		return "", err
	}
	// It tells its version beside the usage, as an error.
	out, err := exec.Command(filepath.Join(dir, "usr/sbin/smtpd"), "-h").CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	if version, ok := strings.CutPrefix(line, "version: "); ok {
		return version, nil
	}
	return "", fmt.Errorf("opensmtpd: %w: %s", err, line)
}

// Addr returns the address of a port.
func (o *OpenSMTPD) Addr(kind Kind) string { return o.addrs[kind] }

// Log returns what it has printed.
func (o *OpenSMTPD) Log() string { return o.proc.output() }

// Mailbox reads the maildir of a user.
func (o *OpenSMTPD) Mailbox(user string) ([]Message, error) {
	return maildir(o.Maildir(user))
}

// Maildir returns the directory of a user's mail.
func (o *OpenSMTPD) Maildir(user string) string { return filepath.Join(o.dir, "mail", user) }

// Start writes the configuration and starts the server.
func (o *OpenSMTPD) Start(ctx context.Context, site *Site) error {
	if err := o.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("opensmtpd: %w\n%s", err, o.Log()), o.Stop())
	}
	return nil
}

func (o *OpenSMTPD) start(ctx context.Context, site *Site) error {
	err := mustBeRoot()
	if err != nil {
		return err
	}
	dir, err := tree("opensmtpd")
	if err != nil {
		return err
	}
	if o.dir, err = site.sub("opensmtpd"); err != nil {
		return err
	}
	free, err := freeAddrs(3)
	if err != nil {
		return err
	}
	o.addrs = map[Kind]string{SMTP: free[0], StartTLS: free[1], SMTPS: free[2]}
	if err := o.files(site, filepath.Join(dir, "usr/libexec/opensmtpd/mail.maildir")); err != nil {
		return err
	}
	o.proc, err = launch(filepath.Join(o.dir, "output"), nil, filepath.Join(dir, "usr/sbin/smtpd"),
		"-d", "-f", filepath.Join(o.dir, "smtpd.conf"))
	if err != nil {
		return err
	}
	for kind, addr := range o.addrs {
		greeted := func(ctx context.Context) error { return greets(ctx, addr, false) }
		if kind == SMTPS {
			greeted = func(ctx context.Context) error { return accepts(ctx, addr) }
		}
		if err := o.proc.ready(ctx, greeted); err != nil {
			return fmt.Errorf("port %s: %w", kind, err)
		}
	}
	return nil
}

// Stop ends the server.
func (o *OpenSMTPD) Stop() error { return o.proc.stop() }

func (o *OpenSMTPD) files(site *Site, deliver string) error {
	uid, gid, err := ids("opensmtpd")
	if err != nil {
		return err
	}
	if err := owned(o.dir, uid, gid, "mail"); err != nil {
		return err
	}
	var users, recipients strings.Builder
	for _, a := range Accounts() {
		fmt.Fprintf(&users, "%s %d:%d:%s\n", a.User, uid, gid, o.dir)
		fmt.Fprintf(&recipients, "%s\n", a.Mailbox())
	}
	fmt.Fprintf(&users, "postmaster %d:%d:%s\n", uid, gid, o.dir)
	fmt.Fprintf(&recipients, "postmaster@%s\n", Host)
	listen := func(kind Kind, how string) string {
		host, port, _ := net.SplitHostPort(o.addrs[kind])
		return fmt.Sprintf("listen on %s port %s hostname %s %s\n", host, port, Host, how)
	}
	conf := fmt.Sprintf("pki %q cert %q\npki %q key %q\n", Host, site.Host.Chain, Host, filepath.Join(o.dir, "key")) +
		fmt.Sprintf("table users file:%s/users\ntable recipients file:%s/recipients\n", o.dir, o.dir) +
		"smtp max-message-size 50M\n" +
		listen(SMTP, "") + listen(StartTLS, fmt.Sprintf("tls pki %q", Host)) + listen(SMTPS, fmt.Sprintf("smtps pki %q", Host)) +
		fmt.Sprintf("action box mda %q userbase <users> user opensmtpd\n", deliver+" "+o.dir+"/mail/%{dest.user}") +
		"match from any for rcpt-to <recipients> action box\n"
	key, err := os.ReadFile(site.Host.Key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.dir, "key"), key, 0o600); err != nil {
		return err
	}
	return writeFiles(o.dir, map[string]string{"users": users.String(), "recipients": recipients.String(), "smtpd.conf": conf})
}
