//go:build unix

package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Token is what [Dovecot] takes from [Alice] with XOAUTH2 and OAUTHBEARER.
const Token = "parley.interop.token"

// anybody is who logs in by ANONYMOUS, and in no other way.
const anybody = "anonymous"

// Dovecot is Debian's Dovecot as submission server and as LMTP server. What is
// submitted it relays to an smtp-sink behind it. By LMTP it takes mail for the
// accounts and for [Full], whose quota gives 552 after the content, beside other
// recipients' 250.
//
// It announces PIPELINING and dies of a MAIL pipelined behind the final dot.
type Dovecot struct {
	kerberos *Kerberos
	dir      string
	tree     string
	addrs    map[Kind]string
	relay    *SMTPSink
	tokens   *httptest.Server
	proc     *daemon
}

// NewDovecot returns a Dovecot that is not started yet. With a realm, which may be
// nil, it offers GSSAPI.
func NewDovecot(realm *Kerberos) *Dovecot { return &Dovecot{kerberos: realm} }

// Name returns "dovecot".
func (*Dovecot) Name() string { return "dovecot" }

// Version returns Dovecot's own words.
func (*Dovecot) Version() (string, error) {
	dir, err := tree("dovecot")
	if err != nil {
		return "", err
	}
	version, err := firstLine(libraries(dir), filepath.Join(dir, "usr/sbin/dovecot"), "--version")
	return "dovecot " + version, err
}

// Addr returns the address of a port. Submission and AuthClear are the same port:
// STARTTLS is offered, and authentication before it too. So are LMTP and LMTPStartTLS.
func (d *Dovecot) Addr(kind Kind) string {
	switch kind {
	case AuthClear:
		kind = Submission
	case LMTPStartTLS:
		kind = LMTP
	case LMTPUnix:
		return filepath.Join(d.dir, "run", "lmtp")
	}
	return d.addrs[kind]
}

// Mailbox returns what came by LMTP for a user, then what was submitted.
func (d *Dovecot) Mailbox(user string) ([]Message, error) {
	delivered, err := maildir(d.Maildir(user))
	if err != nil {
		return nil, err
	}
	relayed, err := d.relay.Mailbox(user)
	return slices.Concat(delivered, relayed), err
}

// SASL is the socket by which another server has Dovecot authenticate its users.
func (d *Dovecot) SASL() string { return filepath.Join(d.dir, "run", "sasl") }

// Maildir returns the directory of what came by LMTP for a user.
func (d *Dovecot) Maildir(user string) string { return filepath.Join(d.dir, "mail", user) }

// Relayed returns the directory, a maildir, of what was submitted.
func (d *Dovecot) Relayed() string { return d.relay.dir }

// Log returns Dovecot's log.
func (d *Dovecot) Log() string {
	log, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return d.proc.output()
	}
	return d.proc.output() + string(log)
}

// Start writes the configuration and starts the server and what it needs.
func (d *Dovecot) Start(ctx context.Context, site *Site) error {
	if err := d.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("dovecot: %w\n%s", err, d.Log()), d.Stop())
	}
	return nil
}

func (d *Dovecot) start(ctx context.Context, site *Site) error {
	err := mustBeRoot()
	if err != nil {
		return err
	}
	if d.tree, err = tree("dovecot"); err != nil {
		return err
	}
	if d.dir, err = site.sub("dovecot"); err != nil {
		return err
	}
	free, err := freeAddrs(4)
	if err != nil {
		return err
	}
	d.addrs = map[Kind]string{Submission: free[0], Submissions: free[1], LMTP: free[2], LMTPS: free[3]}
	d.relay = NewSMTPSink().Keep()
	if err := d.relay.Start(ctx, site); err != nil {
		return err
	}
	d.tokens = httptest.NewServer(http.HandlerFunc(introspect))
	if err := d.files(site); err != nil {
		return err
	}
	env := []string{libraries(d.tree)}
	if d.kerberos != nil {
		env = append(env, d.kerberos.Env()...)
	}
	d.proc, err = launch(filepath.Join(d.dir, "output"), env, filepath.Join(d.tree, "usr/sbin/dovecot"),
		"-F", "-c", filepath.Join(d.dir, "dovecot.conf"))
	if err != nil {
		return err
	}
	for kind, addr := range d.addrs {
		if err := d.proc.ready(ctx, func(ctx context.Context) error { return greets(ctx, addr, kind == Submissions || kind == LMTPS) }); err != nil {
			return fmt.Errorf("port %s: %w", kind, err)
		}
	}
	return nil
}

// Stop ends the server and what it needed.
func (d *Dovecot) Stop() error {
	err := d.proc.stop()
	if d.tokens != nil {
		d.tokens.Close()
	}
	if d.relay != nil {
		err = errors.Join(err, d.relay.Stop())
	}
	return err
}

// introspect answers Dovecot's question about a token (RFC 7662 §2.2).
func introspect(w http.ResponseWriter, r *http.Request) {
	active := r.Header.Get("Authorization") == "Bearer "+Token
	w.Header().Set("Content-Type", "application/json")
	if !active {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"active": active, "username": Alice.User, "email": Alice.User})
}

func (d *Dovecot) files(site *Site) error {
	uid, gid, err := ids("dovecot")
	if err != nil {
		return err
	}
	if err := owned(d.dir, uid, gid, "mail"); err != nil {
		return err
	}
	var users strings.Builder
	for _, a := range append(Accounts(), Account{Full, "f"}, Account{anybody, "a"}) {
		fmt.Fprintf(&users, "%s:{PLAIN}%s:%d:%d::%s/mail/%s::", a.User, a.Password, uid, gid, d.dir, a.User)
		if a.User == Full {
			users.WriteString("userdb_quota_rule=*:bytes=1")
		}
		users.WriteString("\n")
	}
	mechanisms, kerberos := "plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 external xoauth2 oauthbearer anonymous", ""
	if d.kerberos != nil {
		mechanisms += " gssapi"
		kerberos = "auth_gssapi_hostname = \"$ALL\"\nauth_krb5_keytab = " + d.kerberos.Keytab() +
			"\nimport_environment = LD_LIBRARY_PATH KRB5_CONFIG KRB5_KTNAME\n"
	}
	at := func(kind Kind) string {
		host, port, _ := net.SplitHostPort(d.addrs[kind])
		return "address = " + host + "\n    port = " + port
	}
	_, relayPort, _ := net.SplitHostPort(d.relay.Addr(SMTP))
	conf := strings.NewReplacer(
		"@DIR@", d.dir, "@HOST@", Host, "@CERT@", site.Host.Chain, "@KEY@", site.Host.Key, "@CA@", site.CAFile,
		"@MECHANISMS@", mechanisms, "@ANYBODY@", anybody, "@TOKENS@", d.tokens.URL, "@RELAY-PORT@", relayPort,
		"@SUBMISSION@", at(Submission), "@SUBMISSIONS@", at(Submissions), "@LMTP@", at(LMTP), "@LMTPS@", at(LMTPS),
	).Replace(dovecotConf) + kerberos
	return writeFiles(d.dir, map[string]string{
		"users":        users.String(),
		"dovecot.conf": conf,
		"oauth.conf": "introspection_mode = auth\nintrospection_url = " + d.tokens.URL +
			"/\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n",
	})
}

const dovecotConf = `
base_dir = @DIR@/run
state_dir = @DIR@/state
log_path = @DIR@/log
hostname = @HOST@
protocols = submission lmtp
import_environment = LD_LIBRARY_PATH
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
verbose_proctitle = no

auth_mechanisms = @MECHANISMS@
auth_username_format = %Ln
auth_failure_delay = 0
auth_anonymous_username = @ANYBODY@
auth_ssl_username_from_cert = yes
auth_verbose = yes
disable_plaintext_auth = no
passdb {
  driver = static
  mechanisms = external gssapi
  args = nopassword=y
}
passdb {
  driver = passwd-file
  mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
  args = @DIR@/users
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = @DIR@/oauth.conf
}
userdb {
  driver = passwd-file
  args = @DIR@/users
}
mail_location = maildir:@DIR@/mail/%n
mail_plugins = quota
plugin {
  quota = maildir:User quota
}

ssl = yes
ssl_cert = <@CERT@
ssl_key = <@KEY@
ssl_ca = <@CA@
ssl_verify_client_cert = yes
ssl_require_crl = no

submission_relay_host = 127.0.0.1
submission_relay_port = @RELAY-PORT@
service submission-login {
  inet_listener submission {
    @SUBMISSION@
  }
  inet_listener submissions {
    @SUBMISSIONS@
    ssl = yes
  }
}
service auth {
  unix_listener sasl {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service lmtp {
  inet_listener lmtp {
    @LMTP@
  }
  inet_listener lmtps {
    @LMTPS@
    ssl = yes
  }
  unix_listener lmtp {
    mode = 0666
  }
}
`
