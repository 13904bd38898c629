// Command shim runs a client of the Go world once, by the contract of
// conformance/shims:
//
//	shim CLIENT [HOST PORT]
//
// What is to be sent and to whom stands in the environment; the exit code tells what
// the client says became of it.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The exit codes of the contract.
const (
	exitAccepted      = 0
	exitUsage         = 64
	exitPermanent     = 69
	exitTemporary     = 75
	exitUnimplemented = 89
)

// errUnimplemented says that a client cannot do what is asked.
var errUnimplemented = errors.New("the client cannot do that")

// refusal is a reply as a client has reported it.
type refusal struct {
	code int // 0: the client does not tell
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }

// job is what is asked of a client.
type job struct {
	host, port     string
	from           string
	to             []string
	content        []byte
	lmtp           bool
	tls            string // none, starttls, implicit
	ca             *x509.CertPool
	user, password string
	mechanisms     []string // of AUTH; nil: any
	hello          string
	timeout        time.Duration
}

// clients are those there are. Each returns nil when all recipients are accepted.
var clients = map[string]func(*job) error{
	"net-smtp": netSMTP,
	"emersion": emersionSMTP,
	"go-mail":  goMail,
	"mox":      mox,
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 4 || clients[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: shim net-smtp|emersion|go-mail|mox [HOST PORT]")
		os.Exit(exitUsage)
	}
	j, err := read(os.Getenv)
	switch {
	case errors.Is(err, errUnimplemented):
		os.Exit(exitUnimplemented)
	case err != nil:
		fmt.Fprintln(os.Stderr, "shim:", err)
		os.Exit(exitUsage)
	}
	if len(os.Args) == 4 {
		j.host, j.port = os.Args[2], os.Args[3]
	}
	err = clients[os.Args[1]](j)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exit(err))
}

// exit sorts what a client returned.
func exit(err error) int {
	var r *refusal
	switch {
	case err == nil:
		return exitAccepted
	case errors.Is(err, errUnimplemented):
		return exitUnimplemented
	case errors.As(err, &r) && r.code/100 == 5:
		return exitPermanent
	}
	return exitTemporary
}

// worst is the refusal that decides when only some recipients were refused; nil: none.
func worst(refused []*refusal) error {
	var first *refusal
	for _, r := range refused {
		if first == nil || r.code > first.code {
			first = r
		}
	}
	if first == nil {
		return nil
	}
	return first
}

func read(env func(string) string) (*job, error) {
	if env("PARLEY_TOKEN") != "" {
		return nil, errUnimplemented
	}
	j := &job{
		host: env("PARLEY_HOST"), port: env("PARLEY_PORT"), from: env("PARLEY_FROM"), to: strings.Split(env("PARLEY_RCPTS"), ","),
		lmtp: env("PARLEY_PROTO") == "lmtp", tls: env("PARLEY_TLS"), user: env("PARLEY_USER"), password: env("PARLEY_PASSWORD"),
		hello: env("PARLEY_HELLO"), timeout: 30 * time.Second,
	}
	if s := env("PARLEY_AUTH"); s != "" && s != "none" && s != "any" {
		j.mechanisms = strings.Split(s, ",")
	}
	if s := env("PARLEY_TIMEOUT"); s != "" {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("PARLEY_TIMEOUT: %w", err)
		}
		j.timeout = time.Duration(n * float64(time.Second))
	}
	var err error
	if j.content, err = os.ReadFile(env("PARLEY_FILE")); err != nil {
		return nil, err
	}
	if name := env("PARLEY_CA"); name != "" {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		j.ca = x509.NewCertPool()
		j.ca.AppendCertsFromPEM(pem)
	}
	return j, nil
}

var (
	errNoMechanism = errors.New("the server offers no mechanism of AUTH that will do")
	errNoTLS       = errors.New("the server offers no STARTTLS")
)

// mechanism picks one of those that a client has, for clients that leave it to the caller.
func (j *job) mechanism(has []string, offered func(string) bool) (string, error) {
	may := func(m string) bool { return j.mechanisms == nil || slices.Contains(j.mechanisms, m) }
	if !slices.ContainsFunc(has, may) {
		return "", errUnimplemented
	}
	for _, m := range has {
		if may(m) && offered(m) {
			return m, nil
		}
	}
	return "", errNoMechanism
}

// among returns what mechanism asks of a list of words.
func among(list []string) func(string) bool {
	return func(m string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, m) })
	}
}

func (j *job) config() *tls.Config { return &tls.Config{ServerName: j.host, RootCAs: j.ca} }

// dial connects, with TLS from the first octet if that is asked for. The one deadline is
// for the whole session: none of these clients has one of its own for each reply.
func (j *job) dial() (net.Conn, error) {
	nc, err := net.DialTimeout("tcp", net.JoinHostPort(j.host, j.port), j.timeout)
	if err != nil {
		return nil, err
	}
	if err := nc.SetDeadline(time.Now().Add(j.timeout)); err != nil {
		return nil, err
	}
	if j.tls == "implicit" {
		return tls.Client(nc, j.config()), nil
	}
	return nc, nil
}
