//go:build unix

package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Sendmail is Debian's Sendmail. It has one port, which offers STARTTLS.
//
// It insists on a host name with a dot in it, and so runs in a namespace where it has one.
type Sendmail struct {
	dir  string
	addr string
	proc *daemon
}

// NewSendmail returns a Sendmail that is not started yet.
func NewSendmail() *Sendmail { return &Sendmail{} }

// Name returns "sendmail".
func (*Sendmail) Name() string { return "sendmail" }

// Version returns the version that the configuration is for, which is the program's.
func (*Sendmail) Version() (string, error) {
	dir, err := tree("sendmail")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, sendmailMacros, "m4", "version.m4"))
	if err != nil {
		return "", err
	}
	_, version, _ := strings.Cut(string(text), "\nDZ")
	version, _, _ = strings.Cut(version, "`")
	return "sendmail " + version, nil
}

// Addr returns the address of the port.
func (s *Sendmail) Addr(kind Kind) string {
	if kind != SMTP && kind != StartTLS {
		return ""
	}
	return s.addr
}

// Mailbox reads the maildir of a user.
func (s *Sendmail) Mailbox(user string) ([]Message, error) { return maildir(s.Maildir(user)) }

// Maildir returns the directory of a user's mail.
func (s *Sendmail) Maildir(user string) string { return filepath.Join(s.dir, "mail", user) }

// Log returns what it has printed; the rest goes to the system's log.
func (s *Sendmail) Log() string { return s.proc.output() }

// Start makes the configuration and starts the daemon.
func (s *Sendmail) Start(ctx context.Context, site *Site) error {
	if err := s.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("sendmail: %w\n%s", err, s.Log()), s.Stop())
	}
	return nil
}

func (s *Sendmail) start(ctx context.Context, site *Site) error {
	err := mustBeRoot()
	if err != nil {
		return err
	}
	dir, err := tree("sendmail")
	if err != nil {
		return err
	}
	if s.dir, err = site.sub("sendmail"); err != nil {
		return err
	}
	free, err := freeAddrs(1)
	if err != nil {
		return err
	}
	s.addr = free[0]
	if err := s.files(site, dir); err != nil {
		return err
	}
	s.proc, err = launch(filepath.Join(s.dir, "output"), []string{libraries(dir)}, "unshare", "--uts", "sh", "-c", `hostname "$1" && shift && exec "$@"`, "-", Host,
		filepath.Join(dir, "usr/libexec/sendmail/sendmail"), "-bD", "-C", filepath.Join(s.dir, "sendmail.cf"))
	if err != nil {
		return err
	}
	return s.proc.ready(ctx, func(ctx context.Context) error { return greets(ctx, s.addr, false) })
}

// Stop ends the daemon.
func (s *Sendmail) Stop() error { return s.proc.stop() }

const sendmailMacros = "usr/share/sendmail/cf"

func (s *Sendmail) files(site *Site, tree string) error {
	if err := owned(s.dir, 0, 0, "queue", "mail"); err != nil {
		return err
	}
	key, err := os.ReadFile(site.Host.Key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "key"), key, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "deliver"), []byte(sendmailDeliver), 0o755); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(s.addr)
	known := []string{"postmaster", "root"}
	for _, a := range Accounts() {
		known = append(known, a.User)
	}
	if err := writeFiles(s.dir, map[string]string{
		"sendmail.mc": strings.NewReplacer(
			"@DIR@", s.dir, "@TREE@", tree, "@HOST@", Host, "@DOMAIN@", Domain, "@PORT@", port, "@CERT@", site.Host.Chain, "@CA@", site.CAFile,
			"@KNOWN@", strings.Join(known, " "),
		).Replace(sendmailConf),
		"switch": "hosts files\npasswd files\n",
	}); err != nil {
		return err
	}
	macros := filepath.Join(tree, sendmailMacros) + "/"
	m4 := filepath.Join(tree, "usr/bin/m4")
	if _, err := os.Stat(m4); err != nil {
		m4 = "m4" // it was there before
	}
	cmd := exec.Command(m4, "-D_CF_DIR_="+macros, macros+"m4/cf.m4", filepath.Join(s.dir, "sendmail.mc"))
	cmd.Env = append(os.Environ(), libraries(tree))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("m4: %w: %s", err, errs.String())
	}
	return os.WriteFile(filepath.Join(s.dir, "sendmail.cf"), out, 0o644)
}

// sendmailDeliver puts standard input into a maildir.
const sendmailDeliver = `#!/bin/sh
mkdir -p "$1/new" "$1/tmp" &&
	name=$(mktemp "$1/tmp/XXXXXXXXXX") && cat >"$name" && mv "$name" "$1/new/"
`

const sendmailConf = "divert(0)dnl\n" +
	"OSTYPE(`linux')dnl\n" +
	"define(`confDOMAIN_NAME', `@HOST@')dnl\n" +
	"define(`QUEUE_DIR', `@DIR@/queue')dnl\n" +
	"define(`STATUS_FILE', `')dnl\n" +
	"define(`confPID_FILE', `@DIR@/pid')dnl\n" +
	"define(`ALIAS_FILE', `null:none')dnl\n" +
	"define(`HELP_FILE', `@TREE@/etc/mail/helpfile')dnl\n" +
	"define(`confCW_FILE', `-o @DIR@/none')dnl\n" +
	"define(`confCT_FILE', `-o @DIR@/none')dnl\n" +
	"define(`confDEF_USER_ID', `0:0')dnl\n" +
	"define(`confRUN_AS_USER', `root')dnl\n" +
	"define(`confTRUSTED_USER', `root')dnl\n" +
	"define(`confSERVICE_SWITCH_FILE', `@DIR@/switch')dnl\n" +
	"define(`confTO_IDENT', `0')dnl\n" +
	"define(`confTIME_ZONE', `UTC')dnl\n" +
	"define(`confBIND_OPTS', `-DNSRCH')dnl\n" +
	"define(`confDELIVERY_MODE', `interactive')dnl\n" +
	// A busy machine is no reason to refuse or to wait.
	"define(`confREFUSE_LA', `10000')dnl\n" +
	"define(`confQUEUE_LA', `10000')dnl\n" +
	"define(`confSERVER_CERT', `@CERT@')dnl\n" +
	"define(`confSERVER_KEY', `@DIR@/key')dnl\n" +
	"define(`confCACERT', `@CA@')dnl\n" +
	"define(`confCACERT_PATH', `@DIR@')dnl\n" +
	// Else a certificate below /tmp is none.
	"define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')dnl\n" +
	"define(`LOCAL_MAILER_PATH', `@DIR@/deliver')dnl\n" +
	"define(`LOCAL_MAILER_ARGS', `deliver @DIR@/mail/$u')dnl\n" +
	"MODIFY_MAILER_FLAGS(`LOCAL', `lsDFMA9Sn')dnl\n" +
	"FEATURE(`accept_unresolvable_domains')dnl\n" +
	"FEATURE(`no_default_msa')dnl\n" +
	"DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port=@PORT@, Family=inet, M=A')dnl\n" +
	"LOCAL_DOMAIN(`@DOMAIN@')dnl\n" +
	"MAILER(`local')dnl\n" +
	"MAILER(`smtp')dnl\n" +
	// Its local users are those of the machine, which are not ours.
	"LOCAL_CONFIG\n" +
	"C{Known} @KNOWN@\n" +
	"LOCAL_RULESETS\n" +
	"SLocal_check_rcpt\n" +
	"R$*\t\t\t$: $>canonify $1\n" +
	"R$={Known} <@$*> $*\t$@ ok\n" +
	"R$* <@@DOMAIN@.> $*\t$#error $@ 5.1.1 $: \"550 5.1.1 no such user\"\n" +
	"R$* <@@DOMAIN@> $*\t$#error $@ 5.1.1 $: \"550 5.1.1 no such user\"\n"
