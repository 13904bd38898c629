//go:build unix

package peers

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// saslConf is a server's configuration of Cyrus SASL: every mechanism that a
// database of plain passwords can serve, and with a realm, which may be nil, GSSAPI.
func saslConf(db string, realm *Kerberos) string {
	conf := `pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: ` + db + `
mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512 NTLM ANONYMOUS`
	if realm != nil {
		conf += " GSSAPI\nkeytab: " + realm.Keytab()
	}
	return conf + "\n"
}

// saslDB makes that database, of the accounts in a realm, readable to the server's user.
func saslDB(db, realm string, uid, gid int) error {
	program, err := find("saslpasswd2")
	if err != nil {
		return err
	}
	for _, a := range Accounts() {
		cmd := exec.Command(program, "-p", "-c", "-f", db, "-u", realm, a.User)
		cmd.Stdin = strings.NewReader(a.Password)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("saslpasswd2: %w: %s", err, out)
		}
	}
	return os.Chown(db, uid, gid)
}
