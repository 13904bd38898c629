//go:build interop

package gssapi_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/auth/gssapi"
)

// The realm of this file is MIT Kerberos from Debian's krb5-kdc and
// krb5-admin-server, the server is Cyrus SASL's sasl-sample-server from
// sasl2-bin with libsasl2-modules-gssapi-mit. Everything is on loopback and in
// a temporary directory.

// kdc is a realm of its own.
type kdc struct {
	t   testing.TB
	dir string
	env []string
}

// newKDC makes the realm, with alice and the service smtp/localhost, and
// starts its server.
func newKDC(t *testing.T, enctypes string) *kdc {
	t.Helper()
	for _, tool := range []string{"krb5kdc", "kdb5_util", "kadmin.local", "kinit", "stdbuf", "sasl-sample-server"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v: needs krb5-kdc, krb5-admin-server, krb5-user, sasl2-bin, libsasl2-modules-gssapi-mit", err)
		}
	}
	k := &kdc{t: t, dir: t.TempDir()}
	k.env = append(os.Environ(), "KRB5_CONFIG="+k.path("krb5.conf"), "KRB5_KDC_PROFILE="+k.path("kdc.conf"),
		"KRB5_KTNAME="+k.path("smtp.keytab"), "KRB5CCNAME=FILE:"+k.path("cc"), "KRB5RCACHEDIR="+k.dir)
	address := freeAddress(t)
	k.write("krb5.conf", `[libdefaults]
 default_realm = EXAMPLE.TEST
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 default_tkt_enctypes = %[2]s
 default_tgs_enctypes = %[2]s
 permitted_enctypes = %[2]s
[realms]
 EXAMPLE.TEST = {
  kdc = %[1]s
 }
[domain_realm]
 localhost = EXAMPLE.TEST
`, address, enctypes)
	k.write("kdc.conf", `[kdcdefaults]
 kdc_listen = %[1]s
 kdc_tcp_listen = %[1]s
[realms]
 EXAMPLE.TEST = {
  database_name = %[2]s/principal
  key_stash_file = %[2]s/stash
  acl_file = %[2]s/acl
  master_key_type = %[3]s
  supported_enctypes = %[3]s:normal
 }
[logging]
 kdc = FILE:%[2]s/kdc.log
`, address, k.dir, enctypes)
	k.run("kdb5_util", "create", "-r", "EXAMPLE.TEST", "-s", "-P", "master")
	k.run("kadmin.local", "-q", "addprinc -pw sesame alice")
	k.run("kadmin.local", "-q", "addprinc -randkey smtp/localhost")
	k.run("kadmin.local", "-q", "ktadd -k "+k.path("smtp.keytab")+" smtp/localhost")
	k.run("kadmin.local", "-q", "ktadd -norandkey -k "+k.path("alice.keytab")+" alice")

	server := exec.Command("krb5kdc", "-n")
	server.Env = k.env
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	waitFor(t, address)
	k.run("kinit", "-k", "-t", k.path("alice.keytab"), "alice")
	return k
}

func (k *kdc) path(name string) string { return filepath.Join(k.dir, name) }

func (k *kdc) write(name, format string, args ...any) {
	k.t.Helper()
	if err := os.WriteFile(k.path(name), fmt.Appendf(nil, format, args...), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kdc) run(name string, args ...string) {
	k.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = k.env
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitFor(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// exchange runs a mechanism against sasl-sample-server, which writes and reads
// lines of base64, and returns the user name that the server came to.
func (k *kdc) exchange(m auth.Mechanism, args ...string) (string, error) {
	k.t.Helper()
	cmd := exec.Command("stdbuf", append([]string{"-oL", "sasl-sample-server", "-s", "smtp", "-m", "GSSAPI", "-d", "localhost"}, args...)...)
	cmd.Env = k.env
	in, err := cmd.StdinPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	response, err := m.Start(&auth.Link{Host: "localhost"})
	if err != nil {
		return "", err
	}
	response = append([]byte(m.Name()+"\x00"), response...)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for listed := false; lines.Scan(); {
		// Its prompts have no line ends; what counts stands at the end.
		line := lines.Text()
		if user, ok := strings.CutPrefix(line, "Username: "); ok {
			return user, m.Success()
		}
		i := strings.LastIndex(line, "S: ")
		if i < 0 {
			continue
		}
		if challenge, err := base64.StdEncoding.DecodeString(line[i+3:]); err != nil {
			return "", err
		} else if listed {
			if response, err = m.Next(challenge); err != nil {
				return "", err
			}
		}
		listed = true
		if _, err := fmt.Fprintf(in, "C: %s\n", base64.StdEncoding.EncodeToString(response)); err != nil {
			return "", err
		}
	}
	return "", errors.New("the server has ended")
}

// TestInterop: keytab, cache and password, each encryption type, with and
// without an identity to act as, against MIT Kerberos and Cyrus SASL.
func TestInterop(t *testing.T) {
	for _, enctype := range []string{"aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96", "aes256-cts-hmac-sha384-192", "aes128-cts-hmac-sha256-128"} {
		t.Run(enctype, func(t *testing.T) {
			k := newKDC(t, enctype)
			conf := k.path("krb5.conf")
			for name, config := range map[string]gssapi.Config{
				"keytab":   {Krb5Conf: conf, Principal: "alice", Keytab: k.path("alice.keytab")},
				"password": {Krb5Conf: conf, Principal: "alice@EXAMPLE.TEST", Password: auth.NewSecret("sesame")},
				"cache":    {Krb5Conf: conf, CCache: "FILE:" + k.path("cc")},
				"identity": {Krb5Conf: conf, CCache: k.path("cc"), AuthzID: "alice"},
			} {
				t.Run(name, func(t *testing.T) {
					m, err := gssapi.New(config)
					if err != nil {
						t.Fatal(err)
					}
					defer m.Close()
					user, err := k.exchange(m)
					if err != nil || user != "alice" {
						t.Errorf("user %q, %v", user, err)
					}
				})
			}
		})
	}
}

// TestInteropRefused: a wrong password, a service nobody has, and a server
// that insists on a security layer.
func TestInteropRefused(t *testing.T) {
	k := newKDC(t, "aes256-cts-hmac-sha1-96")
	open := func(change func(*gssapi.Config)) *gssapi.Mechanism {
		config := gssapi.Config{Krb5Conf: k.path("krb5.conf"), Principal: "alice", Password: auth.NewSecret("sesame")}
		change(&config)
		m, err := gssapi.New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return m
	}
	_, err := k.exchange(open(func(c *gssapi.Config) { c.Password = auth.NewSecret("wr0ng-passw0rd") }))
	wantRule(t, err, auth.RuleNoTicket)
	if strings.Contains(err.Error(), "wr0ng-passw0rd") {
		t.Errorf("the password shows: %v", err)
	}
	_, err = k.exchange(open(func(c *gssapi.Config) { c.Service = "nosuch" }))
	wantRule(t, err, auth.RuleNoTicket)
	_, err = k.exchange(open(func(*gssapi.Config) {}), "-b", "min=1,max=256")
	wantRule(t, err, auth.RuleUnsupported)
}
