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

// Realm is the realm of [Kerberos].
const Realm = "PARLEY.TEST"

// Kerberos is MIT's KDC with a principal for each account and for the services
// smtp and lmtp at localhost and at [Host].
type Kerberos struct {
	dir  string
	addr string
	proc *daemon
}

// NewKerberos returns a realm that is not started yet.
func NewKerberos() *Kerberos { return &Kerberos{} }

// Version is the package that the KDC comes from.
func (*Kerberos) Version() (string, error) { return packaged("krb5-kdc") }

// Addr returns the host:port of the KDC, the same for UDP and TCP.
func (k *Kerberos) Addr() string { return k.addr }

// Config returns the krb5.conf that clients and services use.
func (k *Kerberos) Config() string { return filepath.Join(k.dir, "krb5.conf") }

// Keytab returns the file with the services' keys.
func (k *Kerberos) Keytab() string { return filepath.Join(k.dir, "keytab") }

// Env returns the environment in which MIT's library finds the realm.
func (k *Kerberos) Env() []string {
	return []string{"KRB5_CONFIG=" + k.Config(), "KRB5_KDC_PROFILE=" + filepath.Join(k.dir, "kdc.conf"), "KRB5_KTNAME=" + k.Keytab()}
}

// Log returns what the KDC wrote.
func (k *Kerberos) Log() string {
	log, _ := os.ReadFile(filepath.Join(k.dir, "log"))
	return k.proc.output() + string(log)
}

// Start makes the database and starts the KDC.
func (k *Kerberos) Start(ctx context.Context, site *Site) error {
	if err := k.start(ctx, site); err != nil {
		return errors.Join(fmt.Errorf("kerberos: %w\n%s", err, k.Log()), k.Stop())
	}
	return nil
}

func (k *Kerberos) start(ctx context.Context, site *Site) error {
	var err error
	if k.dir, err = site.sub("kerberos"); err != nil {
		return err
	}
	free, err := freeAddrs(1)
	if err != nil {
		return err
	}
	k.addr = free[0]
	_, port, _ := net.SplitHostPort(k.addr)
	replace := strings.NewReplacer("@DIR@", k.dir, "@REALM@", Realm, "@ADDR@", k.addr, "@PORT@", port, "@DOMAIN@", Domain)
	if err := writeFiles(k.dir, map[string]string{
		"krb5.conf": replace.Replace(krb5Conf),
		"kdc.conf":  replace.Replace(kdcConf),
		"acl":       "",
	}); err != nil {
		return err
	}
	if err := k.run("kdb5_util", "", "create", "-s", "-r", Realm, "-P", "throw-away"); err != nil {
		return err
	}
	var commands strings.Builder
	for _, a := range Accounts() {
		// kadmin's quoting doubles a quotation mark.
		fmt.Fprintf(&commands, "addprinc -pw \"%s\" %s\n", strings.ReplaceAll(a.Password, `"`, `""`), a.User)
	}
	for _, service := range []string{"smtp/localhost", "smtp/" + Host, "lmtp/localhost", "lmtp/" + Host} {
		fmt.Fprintf(&commands, "addprinc -randkey %s\nktadd -k %s %s\n", service, k.Keytab(), service)
	}
	if err := k.run("kadmin.local", commands.String(), "-r", Realm); err != nil {
		return err
	}
	// Each server reads it as a user of its own.
	if err := os.Chmod(k.Keytab(), 0o644); err != nil {
		return err
	}
	if k.proc, err = launch(filepath.Join(k.dir, "output"), k.Env(), "krb5kdc", "-n", "-r", Realm); err != nil {
		return err
	}
	return k.proc.ready(ctx, func(ctx context.Context) error { return accepts(ctx, k.addr) })
}

// Stop ends the KDC.
func (k *Kerberos) Stop() error { return k.proc.stop() }

// Ticket logs an account in and returns the file with its ticket.
func (k *Kerberos) Ticket(a Account) (string, error) {
	cache := filepath.Join(k.dir, "ccache-"+a.User)
	return cache, k.run("kinit", a.Password+"\n", "-c", "FILE:"+cache, a.User+"@"+Realm)
}

func (k *Kerberos) run(program, input string, args ...string) error {
	path, err := find(program)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), k.Env()...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}

const krb5Conf = `[libdefaults]
  default_realm = @REALM@
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  @REALM@ = {
    kdc = @ADDR@
  }
[domain_realm]
  .@DOMAIN@ = @REALM@
  localhost = @REALM@
`

const kdcConf = `[kdcdefaults]
  kdc_listen = @ADDR@
  kdc_tcp_listen = @ADDR@
[realms]
  @REALM@ = {
    database_name = @DIR@/principal
    key_stash_file = @DIR@/stash
    acl_file = @DIR@/acl
    max_life = 1h
  }
[logging]
  kdc = FILE:@DIR@/log
`
