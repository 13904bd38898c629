//go:build unix

package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The ports that only Postfix has.
const (
	TLSExpired    Kind = "tls-expired"    // STARTTLS with a certificate out of date
	TLSWrongName  Kind = "tls-wrong-name" // STARTTLS with another host's certificate
	TLSClientCert Kind = "tls-client"     // STARTTLS, a client certificate is required
	TLSRequired   Kind = "tls-required"   // nothing but EHLO, NOOP, QUIT before STARTTLS
	NoPipelining  Kind = "no-pipelining"  // EHLO without PIPELINING and CHUNKING; commands sent ahead end the session
	Strict        Kind = "strict"         // small limits: 3 recipients, 10 000 octets, RFC 5321 paths only
	Plain821      Kind = "plain-821"      // refuses EHLO
	Postscreen    Kind = "postscreen"     // greets with "220-", waits, then "220 "
)

// Postfix is Debian's Postfix in a private configuration. It needs root: its
// processes change to their own users.
type Postfix struct {
	kerberos *Kerberos
	dovecot  *Dovecot
	dir      string
	addrs    map[Kind]string
	proc     *daemon
}

// NewPostfix returns a Postfix that is not started yet.
func NewPostfix() *Postfix { return &Postfix{} }

// Kerberos makes it offer GSSAPI for a realm that is started. It returns p.
func (p *Postfix) Kerberos(realm *Kerberos) *Postfix {
	p.kerberos = realm
	return p
}

// Dovecot has a Dovecot, which is started and stopped with it, authenticate its users in
// place of Cyrus SASL. It returns p.
func (p *Postfix) Dovecot(d *Dovecot) *Postfix {
	p.dovecot = d
	return p
}

// service is a line of master.cf: a port and what it does differently.
type service struct {
	kind     Kind
	implicit bool
	options  []string
}

const (
	mayTLS      = "smtpd_tls_security_level=may"
	encryptTLS  = "smtpd_tls_security_level=encrypt"
	wrapTLS     = "smtpd_tls_wrappermode=yes"
	sasl        = "smtpd_sasl_auth_enable=yes"
	anonymousOK = "smtpd_sasl_security_options="
	// Anonymous users are not "authenticated" to Postfix, but have a name.
	mustAuth = "smtpd_recipient_restrictions=$restrict_known,permit_sasl_authenticated,check_sasl_access inline:{" + anybody + "@" + Domain + "=permit," + anybody + "=permit},reject"
)

func postfixServices(site *Site) []service {
	with := func(c CertFiles) []string {
		return []string{mayTLS, "smtpd_tls_chain_files=" + c.Key + "," + c.Chain}
	}
	return []service{
		{kind: SMTP},
		{kind: StartTLS, options: []string{mayTLS}},
		{kind: SMTPS, implicit: true, options: []string{wrapTLS}},
		{kind: Submission, options: []string{encryptTLS, sasl, anonymousOK, mustAuth}},
		{kind: Submissions, implicit: true, options: []string{wrapTLS, sasl, anonymousOK, mustAuth}},
		{kind: AuthClear, options: []string{sasl, anonymousOK, mustAuth, "broken_sasl_auth_clients=yes"}},
		{kind: TLSExpired, options: with(site.Expired)},
		{kind: TLSWrongName, options: with(site.WrongName)},
		{kind: TLSClientCert, options: []string{encryptTLS, "smtpd_tls_req_ccert=yes"}},
		{kind: TLSRequired, options: []string{encryptTLS}},
		{kind: NoPipelining, options: []string{
			"smtpd_discard_ehlo_keywords=pipelining,chunking,silent-discard",
			"smtpd_data_restrictions=reject_unauth_pipelining", "smtpd_client_restrictions=reject_unauth_pipelining",
		}},
		{kind: Strict, options: []string{
			"strict_rfc821_envelopes=yes", "smtpd_recipient_limit=3", "message_size_limit=10000", "smtpd_helo_required=yes",
			"smtpd_recipient_overshoot_limit=3", "smtpd_hard_error_limit=5", "smtpd_soft_error_limit=3",
		}},
		{kind: Plain821, options: []string{"smtpd_command_filter=regexp:$config_directory/no-ehlo"}},
	}
}

// Name returns "postfix".
func (*Postfix) Name() string { return "postfix" }

// Version returns "postfix" and mail_version.
func (*Postfix) Version() (string, error) {
	path, err := find("postconf")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, "-dh", "mail_version").Output()
	return "postfix " + strings.TrimSpace(string(out)), err
}

// Addr returns the address of a port.
func (p *Postfix) Addr(kind Kind) string { return p.addrs[kind] }

// Log returns Postfix's mail log, and Dovecot's.
func (p *Postfix) Log() string {
	if p.dovecot != nil {
		return p.proc.output() + p.dovecot.Log()
	}
	return p.proc.output()
}

// Mailbox reads the maildir of a user.
func (p *Postfix) Mailbox(user string) ([]Message, error) {
	return maildir(p.Maildir(user))
}

// Maildir returns the directory of a user's mail.
func (p *Postfix) Maildir(user string) string { return filepath.Join(p.dir, "mail", user) }

// Start writes the configuration and starts the master process.
func (p *Postfix) Start(ctx context.Context, site *Site) error {
	if err := p.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("postfix: %w\n%s", err, p.Log()), p.Stop())
	}
	return nil
}

func (p *Postfix) start(ctx context.Context, site *Site) error {
	err := mustBeRoot()
	if err != nil {
		return err
	}
	if p.dir, err = site.sub("postfix"); err != nil {
		return err
	}
	if p.dovecot != nil {
		if err := p.dovecot.Start(ctx, site); err != nil {
			return err
		}
	}
	services := postfixServices(site)
	free, err := freeAddrs(len(services) + 1)
	if err != nil {
		return err
	}
	p.addrs = map[Kind]string{}
	for i, s := range services {
		p.addrs[s.kind] = free[i]
	}
	p.addrs[Postscreen] = free[len(services)]
	if err := p.configure(site, services); err != nil {
		return err
	}
	// The postfix command would put the master into a session of its own, out of
	// our reach; it only makes the queue's directories here.
	config := filepath.Join(p.dir, "etc")
	program, err := find("postfix")
	if err != nil {
		return err
	}
	if out, err := exec.Command(program, "-c", config, "check").CombinedOutput(); err != nil {
		return fmt.Errorf("postfix check: %w: %s", err, out)
	}
	p.proc, err = launch(filepath.Join(p.dir, "mail.log"), []string{"MAIL_CONFIG=" + config}, "master", "-c", config, "-d")
	if err != nil {
		return err
	}
	for _, s := range services {
		err := p.proc.ready(ctx, func(ctx context.Context) error { return greets(ctx, p.addrs[s.kind], s.implicit) })
		if err != nil {
			return fmt.Errorf("port %s: %w", s.kind, err)
		}
	}
	return nil
}

// Stop ends the master process and all below it.
func (p *Postfix) Stop() error {
	err := p.proc.stop()
	if p.dovecot != nil {
		err = errors.Join(err, p.dovecot.Stop())
	}
	return err
}

func (p *Postfix) configure(site *Site, services []service) error {
	uid, gid, err := ids("postfix")
	if err != nil {
		return err
	}
	if err := owned(p.dir, 0, 0, "queue"); err != nil {
		return err
	}
	if err := owned(p.dir, uid, gid, "data", "mail", "sasl"); err != nil {
		return err
	}
	if err := writeFiles(p.dir, map[string]string{
		"etc/main.cf":   p.mainCf(site, uid, gid),
		"etc/master.cf": p.masterCf(services),
		"etc/mailboxes": postfixMailboxes(),
		"etc/refused":   postfixRefused(),
		"etc/no-ehlo":   "/^EHLO(.*)$/ NOTEHLO$1\n",
		// Debian's Postfix looks for it below its configuration directory.
		"etc/sasl/smtpd.conf": saslConf(filepath.Join(p.dir, "sasl", "db"), p.kerberos),
	}); err != nil {
		return err
	}
	return saslDB(filepath.Join(p.dir, "sasl", "db"), Domain, uid, gid)
}

func (p *Postfix) mainCf(site *Site, uid, gid int) string {
	settings := []string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(p.dir, "queue"),
		"data_directory = " + filepath.Join(p.dir, "data"),
		"maillog_file = " + filepath.Join(p.dir, "mail.log"),
		"maillog_file_prefixes = " + p.dir,
		"myhostname = " + Host,
		"mydestination =",
		"mynetworks =",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"smtputf8_enable = yes",
		"biff = no",
		"alias_maps =",
		"alias_database =",
		"local_recipient_maps =",

		"virtual_mailbox_domains = " + Domain,
		"virtual_mailbox_base = " + filepath.Join(p.dir, "mail"),
		"virtual_mailbox_maps = texthash:$config_directory/mailboxes",
		"virtual_uid_maps = static:" + strconv.Itoa(uid),
		"virtual_gid_maps = static:" + strconv.Itoa(gid),
		"virtual_minimum_uid = 1",
		"virtual_mailbox_limit = 0",
		"default_transport = discard",
		"relay_transport = discard",
		"message_size_limit = 52428800",

		// Mail from loopback is "local" by default and gets missing headers added.
		"local_header_rewrite_clients =",

		"restrict_known = check_recipient_access texthash:$config_directory/refused, reject_unlisted_recipient",
		"smtpd_recipient_restrictions = $restrict_known, reject_unauth_destination",
		"smtpd_relay_restrictions =",
		"smtpd_client_connection_count_limit = 0",
		"smtpd_error_sleep_time = 0",
		"in_flow_delay = 0",
		"disable_vrfy_command = no",

		"smtpd_tls_chain_files = " + site.Host.Key + ", " + site.Host.Chain,
		"smtpd_tls_CAfile = " + site.CAFile,
		"smtpd_tls_received_header = yes",
		"smtpd_tls_loglevel = 1",

		"smtpd_sasl_local_domain = " + Domain,

		"postscreen_greet_wait = 2s",
		"postscreen_greet_banner = wait a little",
		"postscreen_cache_map =",
	}
	if p.dovecot != nil {
		settings = append(settings, "smtpd_sasl_type = dovecot", "smtpd_sasl_path = "+p.dovecot.SASL())
	} else {
		settings = append(settings, "smtpd_sasl_path = smtpd")
	}
	if p.kerberos != nil {
		settings = append(settings, "import_environment = MAIL_CONFIG POSTLOG_SERVICE POSTLOG_HOSTNAME "+strings.Join(p.kerberos.Env(), " "))
	}
	return strings.Join(settings, "\n") + "\n"
}

func (p *Postfix) masterCf(services []service) string {
	var b strings.Builder
	for _, s := range services {
		fmt.Fprintf(&b, "%s inet n - n - - smtpd -o syslog_name=postfix/%s\n", p.addrs[s.kind], s.kind)
		for _, o := range s.options {
			fmt.Fprintf(&b, "  -o { %s }\n", strings.Replace(o, "=", " = ", 1))
		}
	}
	_, port, _ := net.SplitHostPort(p.addrs[Postscreen])
	fmt.Fprintf(&b, "127.0.0.1:%s inet n - n - 1 postscreen\n", port)
	b.WriteString(`smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`)
	return b.String()
}

func postfixMailboxes() string {
	users := []string{"postmaster", "jörg", Busy, Full, Blocked}
	for _, a := range Accounts() {
		users = append(users, a.User)
	}
	slices.Sort(users)
	var b strings.Builder
	for _, u := range users {
		fmt.Fprintf(&b, "%s@%s %s/\n", u, Domain, u)
	}
	return b.String()
}

func postfixRefused() string {
	return strings.NewReplacer("@", "@"+Domain+" ").Replace(
		Busy + "@450 4.2.1 mailbox busy\n" + Full + "@552 5.2.2 mailbox full\n" + Blocked + "@554 5.7.1 not for you\n")
}
