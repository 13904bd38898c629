package gssapi

import (
	"cmp"
	"os"
	"strconv"
	"strings"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/parley-mail/parley/auth"
)

// Config says who the client is and where the proof of it lies. With Keytab or
// Password the Principal is needed; with neither, tickets come from CCache.
type Config struct {
	// Krb5Conf is the path of the Kerberos configuration. "": $KRB5_CONFIG,
	// and failing that /etc/krb5.conf.
	Krb5Conf string

	Principal string      // user or user@REALM; without a realm the default realm of Krb5Conf
	Keytab    string      // path of a keytab with the principal's key
	Password  auth.Secret // the principal's password; Keytab goes before it

	// CCache is the path of a credential cache in a file, with or without
	// "FILE:" before it. "": $KRB5CCNAME, and failing that /tmp/krb5cc_UID.
	CCache string

	AuthzID string // identity to act as; "": the principal's own (RFC 4752 §3.1)
	Service string // service part of the target; "": that of the link, as in auth.Link
}

// ticket is what a security context is begun with.
type ticket struct {
	ticket messages.Ticket
	key    types.EncryptionKey // the session key
	name   types.PrincipalName // the client's
	realm  string              // the client's
}

// open reads the files that the configuration names. No packet is sent. The
// library's parser of credential caches panics on files that are cut short.
func (c *Config) open() (cl *client.Client, err error) {
	defer func() {
		if recover() != nil {
			cl, err = nil, fail(auth.StepChoose, auth.RuleBadCredential, "keytab or credential cache is damaged", nil)
		}
	}()
	conf, err := config.Load(cmp.Or(c.Krb5Conf, os.Getenv("KRB5_CONFIG"), "/etc/krb5.conf"))
	if _, tolerable := err.(config.UnsupportedDirective); err != nil && !tolerable {
		return nil, fail(auth.StepChoose, auth.RuleBadCredential, "Kerberos configuration", err)
	}
	user, realm, found := strings.Cut(c.Principal, "@")
	if !found {
		realm = conf.LibDefaults.DefaultRealm
	}
	// Pre-authentication by FAST is left off: not every KDC has it, and the
	// library cannot ask which do.
	noFast := client.DisablePAFXFAST(true)
	switch {
	case c.Keytab == "" && c.Password.IsZero():
		cache, err := credentials.LoadCCache(c.cachePath())
		if err == nil {
			cl, err = client.NewFromCCache(cache, conf, noFast)
		}
		if err != nil {
			return nil, fail(auth.StepChoose, auth.RuleNoSecret, "credential cache", err)
		}
		return cl, nil
	case user == "":
		return nil, fail(auth.StepChoose, auth.RuleNoUser, "principal", nil)
	case realm == "":
		return nil, fail(auth.StepChoose, auth.RuleNoUser, "principal without realm, and no default realm", nil)
	case c.Keytab != "":
		keys, err := keytab.Load(c.Keytab)
		if err != nil {
			return nil, fail(auth.StepChoose, auth.RuleNoSecret, "keytab", err)
		}
		return client.NewWithKeytab(user, realm, keys, conf, noFast), nil
	}
	return client.NewWithPassword(user, realm, c.Password.Reveal(), conf, noFast), nil
}

func (c *Config) cachePath() string {
	path := cmp.Or(c.CCache, os.Getenv("KRB5CCNAME"), "/tmp/krb5cc_"+strconv.Itoa(os.Getuid()))
	return strings.TrimPrefix(path, "FILE:")
}

// fetch returns a function that gets tickets through the client. The client,
// and the password with it, is out of the reach of reflection there.
func fetch(cl *client.Client) func(service string) (*ticket, error) {
	return func(service string) (*ticket, error) {
		if err := cl.AffirmLogin(); err != nil {
			return nil, err
		}
		t, key, err := cl.GetServiceTicket(service)
		if err != nil {
			return nil, err
		}
		return &ticket{ticket: t, key: key, name: cl.Credentials.CName(), realm: cl.Credentials.Domain()}, nil
	}
}
