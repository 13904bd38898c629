//go:build unix

package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Exim is Debian's exim4-daemon-heavy. It offers CHUNKING, PRDR, DSN, SMTPUTF8
// and PIPECONNECT, puts no enhanced codes into its own replies, and takes EXTERNAL
// on the [TLSClientCert] port.
type Exim struct {
	kerberos *Kerberos
	dovecot  *Dovecot
	dir      string
	tree     string
	addrs    map[Kind]string
	proc     *daemon
}

// NewExim returns an Exim that is not started yet.
func NewExim() *Exim { return &Exim{} }

// Kerberos makes it offer GSSAPI for a realm that is started. It returns e.
func (e *Exim) Kerberos(realm *Kerberos) *Exim {
	e.kerberos = realm
	return e
}

// Dovecot has a Dovecot, which is started and stopped with it, authenticate by the
// mechanisms that neither Exim nor Cyrus SASL has. It returns e.
func (e *Exim) Dovecot(d *Dovecot) *Exim {
	e.dovecot = d
	return e
}

var eximKinds = []Kind{SMTP, StartTLS, SMTPS, Submission, Submissions, AuthClear, TLSClientCert}

// Name returns "exim".
func (*Exim) Name() string { return "exim" }

// Version returns Exim's own words.
func (*Exim) Version() (string, error) {
	dir, err := tree("exim")
	if err != nil {
		return "", err
	}
	return firstLine(libraries(dir), filepath.Join(dir, "usr/sbin/exim4"), "-C", "/dev/null", "-bV")
}

// Addr returns the address of a port.
func (e *Exim) Addr(kind Kind) string { return e.addrs[kind] }

// Mailbox reads the maildir of a user.
func (e *Exim) Mailbox(user string) ([]Message, error) {
	return maildir(e.Maildir(user))
}

// Maildir returns the directory of a user's mail.
func (e *Exim) Maildir(user string) string { return filepath.Join(e.dir, "mail", user) }

// Log returns what went to the standard error, Exim's logs and Dovecot's.
func (e *Exim) Log() string {
	text := e.proc.output()
	for _, name := range []string{"main", "reject", "panic"} {
		if log, err := os.ReadFile(filepath.Join(e.dir, "log", name)); err == nil {
			text += string(log)
		}
	}
	if e.dovecot != nil {
		text += e.dovecot.Log()
	}
	return text
}

// Start writes the configuration and starts the daemon.
func (e *Exim) Start(ctx context.Context, site *Site) error {
	if err := e.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("exim: %w\n%s", err, e.Log()), e.Stop())
	}
	return nil
}

func (e *Exim) start(ctx context.Context, site *Site) error {
	err := mustBeRoot()
	if err != nil {
		return err
	}
	if e.tree, err = tree("exim"); err != nil {
		return err
	}
	if e.dir, err = site.sub("exim"); err != nil {
		return err
	}
	if e.dovecot != nil {
		if err := e.dovecot.Start(ctx, site); err != nil {
			return err
		}
	}
	free, err := freeAddrs(len(eximKinds))
	if err != nil {
		return err
	}
	e.addrs = map[Kind]string{}
	for i, kind := range eximKinds {
		e.addrs[kind] = free[i]
	}
	if err := e.files(site); err != nil {
		return err
	}
	env := []string{libraries(e.tree), "SASL_CONF_PATH=" + filepath.Join(e.dir, "sasl")}
	if e.kerberos != nil {
		env = append(env, e.kerberos.Env()...)
	}
	e.proc, err = launch(filepath.Join(e.dir, "output"), env, e.program(), "-C", filepath.Join(e.dir, "exim.conf"), "-bdf")
	if err != nil {
		return err
	}
	for kind, addr := range e.addrs {
		secure := kind == SMTPS || kind == Submissions
		if err := e.proc.ready(ctx, func(ctx context.Context) error { return greets(ctx, addr, secure) }); err != nil {
			return fmt.Errorf("port %s: %w", kind, err)
		}
	}
	return nil
}

// Stop ends the daemon.
func (e *Exim) Stop() error {
	err := e.proc.stop()
	if e.dovecot != nil {
		err = errors.Join(err, e.dovecot.Stop())
	}
	return err
}

func (e *Exim) program() string { return filepath.Join(e.tree, "usr/sbin/exim4") }

func (e *Exim) files(site *Site) error {
	uid, gid, err := ids("Debian-exim")
	if err != nil {
		return err
	}
	if err := owned(e.dir, uid, gid, "spool", "log", "mail", "sasl"); err != nil {
		return err
	}
	// Exim reads the key after it has dropped root's rights.
	key, err := os.ReadFile(site.Host.Key)
	if err != nil {
		return err
	}
	var passwords strings.Builder
	for _, a := range Accounts() {
		fmt.Fprintf(&passwords, "%s: %s\n", a.User, a.Password)
	}
	db := filepath.Join(e.dir, "sasl", "db")
	if err := writeFiles(e.dir, map[string]string{
		"exim.conf":      e.conf(site),
		"passwords":      passwords.String(),
		"key":            string(key),
		"sasl/exim.conf": saslConf(db, e.kerberos),
	}); err != nil {
		return err
	}
	return saslDB(db, Domain, uid, gid)
}

func (e *Exim) port(kind Kind) string {
	_, port, _ := net.SplitHostPort(e.addrs[kind])
	return port
}

// when is an Exim expansion that is "*" on the ports of the kinds, else empty.
func (e *Exim) when(kinds ...Kind) string {
	var ports []string
	for _, k := range kinds {
		ports = append(ports, e.port(k))
	}
	return "${if inlist{$received_port}{" + strings.Join(ports, ":") + "}{*}}"
}

func (e *Exim) conf(site *Site) string {
	var ports []string
	for _, k := range eximKinds {
		ports = append(ports, e.port(k))
	}
	slices.Sort(ports)
	conf := eximConf
	if e.kerberos != nil {
		conf += eximGSSAPI
	}
	sasl := ""
	if e.dovecot != nil {
		conf += eximDovecot
		sasl = e.dovecot.SASL()
	}
	return strings.NewReplacer(
		"@DIR@", e.dir,
		"@HOST@", Host,
		"@DOMAIN@", Domain,
		"@PROGRAM@", e.program(),
		"@SASL@", sasl,
		"@PORTS@", strings.Join(ports, " : "),
		"@WRAPPED@", e.port(SMTPS)+" : "+e.port(Submissions),
		"@CERT@", site.Host.Chain,
		"@CA@", site.CAFile,
		"@TLS-OFFERED@", e.when(StartTLS, Submission, TLSClientCert),
		"@CERT-ASKED@", e.when(Submission, Submissions, TLSClientCert),
		"@AUTH-OFFERED@", "${if or{{eq{$received_port}{"+e.port(AuthClear)+"}} {and{{def:tls_in_cipher} "+
			"{inlist{$received_port}{"+strings.Join([]string{e.port(Submission), e.port(Submissions), e.port(TLSClientCert)}, ":")+"}}}}}{*}}",
		"@AUTH-NEEDED@", strings.Join([]string{e.port(Submission), e.port(Submissions), e.port(AuthClear)}, ":"),
	).Replace(conf)
}

const eximConf = `
exim_path = @PROGRAM@
exim_user = Debian-exim
exim_group = Debian-exim
keep_environment = LD_LIBRARY_PATH : SASL_CONF_PATH : KRB5_CONFIG : KRB5_KTNAME
primary_hostname = @HOST@
qualify_domain = @DOMAIN@
spool_directory = @DIR@/spool
log_file_path = @DIR@/log/%s
pid_file_path = @DIR@/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = @PORTS@
tls_on_connect_ports = @WRAPPED@
domainlist local_domains = @DOMAIN@
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
acl_smtp_vrfy = accept
acl_smtp_data_prdr = accept
host_lookup =
rfc1413_hosts =
helo_allow_chars = _
message_size_limit = 50M
accept_8bitmime = true
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable = true
tls_advertise_hosts = @TLS-OFFERED@
tls_certificate = @CERT@
tls_privatekey = @DIR@/key
tls_verify_certificates = @CA@
tls_try_verify_hosts = @CERT-ASKED@
auth_advertise_hosts = @AUTH-OFFERED@
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
deliver_drop_privilege = true

begin acl

check_mail:
  deny condition = ${if inlist{$received_port}{@AUTH-NEEDED@}}
       !authenticated = *
       message = 530 5.7.0 Authentication required
  accept

check_rcpt:
  deny local_parts = full
       message = 552 5.2.2 mailbox full
  deny local_parts = blocked
       message = 554 5.7.1 not for you
  defer local_parts = busy
       message = 450 4.2.1 mailbox busy
  require message = relay not permitted
       domains = +local_domains
  require verify = recipient
  accept

begin routers

mailbox:
  driver = accept
  domains = +local_domains
  local_parts = alice : bob : carol : postmaster : jörg
  address_data = $local_part_data
  transport = maildir

begin transports

maildir:
  driver = appendfile
  directory = @DIR@/mail/$address_data
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
  user = Debian-exim

begin retry

begin rewrite

begin authenticators

plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if eq{$auth3}{${lookup{$auth2}lsearch{@DIR@/passwords}{$value}{\n}}}}
  server_set_id = $auth2

login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if eq{$auth2}{${lookup{$auth1}lsearch{@DIR@/passwords}{$value}{\n}}}}
  server_set_id = $auth1

cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${lookup{$auth1}lsearch{@DIR@/passwords}{$value}fail}
  server_set_id = $auth1

digest_md5:
  driver = cyrus_sasl
  public_name = DIGEST-MD5
  server_realm = @DOMAIN@
  server_set_id = $auth1

scram_sha_1:
  driver = cyrus_sasl
  public_name = SCRAM-SHA-1
  server_realm = @DOMAIN@
  server_set_id = $auth1

scram_sha_256:
  driver = cyrus_sasl
  public_name = SCRAM-SHA-256
  server_realm = @DOMAIN@
  server_set_id = $auth1

scram_sha_512:
  driver = cyrus_sasl
  public_name = SCRAM-SHA-512
  server_realm = @DOMAIN@
  server_set_id = $auth1

ntlm:
  driver = cyrus_sasl
  public_name = NTLM
  server_realm = @DOMAIN@
  server_set_id = $auth1

anonymous:
  driver = cyrus_sasl
  public_name = ANONYMOUS
  server_realm = @DOMAIN@
  server_set_id = anonymous

external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = ${if eq{$tls_in_certificate_verified}{1}}
  server_param2 = ${certextract{subj_altname,dns}{$tls_in_peercert}}
  server_condition = ${if !eq{$auth2}{}}
  server_set_id = $auth2
`

const eximGSSAPI = `
gssapi:
  driver = cyrus_sasl
  public_name = GSSAPI
  server_hostname = @HOST@
  server_set_id = $auth1
`

const eximDovecot = `
xoauth2:
  driver = dovecot
  public_name = XOAUTH2
  server_socket = @SASL@
  server_set_id = $auth1

oauthbearer:
  driver = dovecot
  public_name = OAUTHBEARER
  server_socket = @SASL@
  server_set_id = $auth1
`
