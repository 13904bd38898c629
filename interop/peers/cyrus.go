//go:build unix

package peers

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Ports that only Cyrus has.
const (
	LMTPAuth    Kind = "lmtp-auth"     // RFC 2033, authentication required and offered in clear
	LMTPAuthTLS Kind = "lmtp-auth-tls" // the same port, behind STARTTLS
)

// Cyrus is the LMTP server of Debian's Cyrus IMAP. It is the one packaged server that
// offers SCRAM with channel binding, on the tls-unique of TLS 1.2. By its socket,
// [LMTPUnix], it takes mail from whoever can open that.
type Cyrus struct {
	kerberos *Kerberos
	dir      string
	tree     string
	addr     string
	proc     *daemon
}

// NewCyrus returns a Cyrus that is not started yet.
func NewCyrus() *Cyrus { return &Cyrus{} }

// Kerberos makes it offer GSSAPI for a realm that is started. It returns c.
func (c *Cyrus) Kerberos(realm *Kerberos) *Cyrus {
	c.kerberos = realm
	return c
}

// Name returns "cyrus".
func (*Cyrus) Name() string { return "cyrus" }

// Version returns Cyrus's own words.
func (*Cyrus) Version() (string, error) {
	dir, err := tree("cyrus")
	if err != nil {
		return "", err
	}
	line, err := firstLine(libraries(dir), filepath.Join(dir, "usr/lib/cyrus/bin/master"), "-V")
	return line, err
}

// Addr returns the address of a port. LMTPAuth and LMTPAuthTLS are the same port.
func (c *Cyrus) Addr(kind Kind) string {
	switch kind {
	case LMTPAuth, LMTPAuthTLS:
		return c.addr
	case LMTPUnix:
		return c.socket()
	}
	return ""
}

func (c *Cyrus) socket() string { return filepath.Join(c.dir, "conf", "socket", "lmtp") }

// Log returns what it has printed.
func (c *Cyrus) Log() string { return c.proc.output() }

// Mailbox returns the messages of a user's INBOX. They are numbered files with CRLF.
func (c *Cyrus) Mailbox(user string) ([]Message, error) {
	dir := filepath.Join(c.dir, "spool", "user", user)
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	numbers := map[string]int{}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		name, dotted := strings.CutSuffix(e.Name(), ".")
		n, err := strconv.Atoi(name)
		numbers[e.Name()] = n
		return err != nil || !dotted
	})
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(numbers[a.Name()], numbers[b.Name()]) })
	messages := make([]Message, len(entries))
	for i, e := range entries {
		stored, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		messages[i] = split(bytes.ReplaceAll(stored, []byte("\r\n"), []byte("\n")))
	}
	return messages, nil
}

// Start writes the configuration and starts the master process.
func (c *Cyrus) Start(ctx context.Context, site *Site) error {
	if err := c.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("cyrus: %w\n%s", err, c.Log()), c.Stop())
	}
	return nil
}

func (c *Cyrus) start(ctx context.Context, site *Site) error {
	err := mustBeRoot()
	if err != nil {
		return err
	}
	if c.tree, err = tree("cyrus"); err != nil {
		return err
	}
	if c.dir, err = site.sub("cyrus"); err != nil {
		return err
	}
	free, err := freeAddrs(1)
	if err != nil {
		return err
	}
	c.addr = free[0]
	if err := c.files(site); err != nil {
		return err
	}
	env := []string{libraries(c.tree)}
	if c.kerberos != nil {
		env = append(env, c.kerberos.Env()...)
	}
	c.proc, err = launch(filepath.Join(c.dir, "output"), env, filepath.Join(c.tree, "usr/lib/cyrus/bin/master"),
		"-C", filepath.Join(c.dir, "imapd.conf"), "-M", filepath.Join(c.dir, "cyrus.conf"), "-p", filepath.Join(c.dir, "conf", "pid"), "-D")
	if err != nil {
		return err
	}
	if err := c.proc.ready(ctx, func(ctx context.Context) error { return greets(ctx, c.addr, false) }); err != nil {
		return err
	}
	return c.mailboxes()
}

// mailboxes has the server make the mailboxes, as it does when it is first asked for one;
// asked for one by two at the same time it refuses the one.
func (c *Cyrus) mailboxes() error {
	conn, err := net.Dial("unix", c.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	lines := []string{"LHLO localhost", "MAIL FROM:<>"}
	for _, a := range Accounts() {
		lines = append(lines, "RCPT TO:<"+a.Mailbox()+">")
	}
	r := bufio.NewReader(conn)
	for _, line := range append(lines, "QUIT") {
		reply, err := r.ReadString('\n') // to the line before, of which the last begins so
		for err == nil && strings.HasPrefix(reply, "250-") {
			reply, err = r.ReadString('\n')
		}
		if err != nil || !strings.HasPrefix(reply, "2") {
			return fmt.Errorf("before %s: %q, %w", line, reply, err)
		}
		if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the master process and all below it.
func (c *Cyrus) Stop() error { return c.proc.stop() }

func (c *Cyrus) files(site *Site) error {
	uid, gid, err := ids("cyrus")
	if err != nil {
		return err
	}
	if err := owned(c.dir, uid, gid, "spool", "sasl", "conf"); err != nil {
		return err
	}
	if err := owned(filepath.Join(c.dir, "conf"), uid, gid, "db", "socket", "proc", "lock", "user", "log", "msg", "ptclient", "quota"); err != nil {
		return err
	}
	key, err := os.ReadFile(site.Host.Key)
	if err != nil {
		return err
	}
	kerberos := ""
	if c.kerberos != nil {
		kerberos = " GSSAPI\nsasl_keytab: " + c.kerberos.Keytab()
	}
	replace := strings.NewReplacer("@DIR@", c.dir, "@HOST@", Host, "@KERBEROS@", kerberos, "@CERT@", site.Host.Chain, "@ADDR@", c.addr, "@SOCKET@", c.socket(),
		"@BIN@", filepath.Join(c.tree, "usr/lib/cyrus/bin"), "@ALICE@", Alice.User)
	if err := writeFiles(c.dir, map[string]string{
		"imapd.conf": replace.Replace(cyrusImapdConf),
		"cyrus.conf": replace.Replace(cyrusConf),
		"key":        string(key),
	}); err != nil {
		return err
	}
	return saslDB(filepath.Join(c.dir, "sasl", "db"), Host, uid, gid)
}

// Its realm of users is its own name.
const cyrusImapdConf = `configdirectory: @DIR@/conf
partition-default: @DIR@/spool
defaultpartition: default
mailbox_legacy_dirs: yes
cyrus_user: cyrus
servername: @HOST@
lmtp_admins: @ALICE@ postman
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: @DIR@/sasl/db
sasl_mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512 NTLM@KERBEROS@
allowplaintext: yes
autocreate_post: yes
autocreate_quota: 0
unixhierarchysep: yes
tls_server_cert: @CERT@
tls_server_key: @DIR@/key
tls_versions: tls1_2
`

const cyrusConf = `START {
  recover cmd="@BIN@/ctl_cyrusdb -C @DIR@/imapd.conf -r"
}
SERVICES {
  lmtp cmd="@BIN@/lmtpd -C @DIR@/imapd.conf" listen="@ADDR@" prefork=0
  lmtpunix cmd="@BIN@/lmtpd -C @DIR@/imapd.conf" listen="@SOCKET@" prefork=0
}
`
