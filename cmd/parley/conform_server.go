package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-mail/parley/conformance"
	"github.com/parley-mail/parley/conformance/server"
)

// judgeFlags say which server is judged, what it can be asked for, and what is written.
type judgeFlags struct {
	runFlags
	target server.Target
	mode   string
	ca     []string
	sink   string
	auth   string

	insecure, list   bool
	serverName, name string
}

func newConformServer() *cobra.Command {
	var f judgeFlags
	cmd := &cobra.Command{
		Use: "server --target HOST:PORT [PATTERN…]", Short: "Hold any server against the RFCs",
		Long: `Plays the client against a server, on the network, and says which requirements it keeps. The
checks need a mailbox that exists (--rcpt); some need one that does not (--unknown), a foreign
address (--relay), a user, or a look into the mailbox (--sink): without those they are
inconclusive. Mail is delivered to --rcpt, some hundred messages in a full run, so the server
should be one for tests. docs/instrument.md says how verdicts are meant.

Exit codes: 0 all verdicts as expected, 1 at least one finding, 2 usage or configuration,
3 nothing conclusive was run.`,
		Example: `  parley conform server --target 127.0.0.1:2525 --rcpt bob@mx.example --sink maildir:/var/mail/bob
  parley conform server --target mx.example:587 --tls starttls --user bob --rcpt bob@mx.example 'auth/*'
  parley conform server --target 127.0.0.1:24 --lmtp --rcpt bob@mx.example --expected known.txt
  parley conform server --list`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.judge(cmd, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.target.Addr, "target", "", "the server: HOST:PORT")
	choice(cmd, fl, &f.mode, "tls", "none", "when TLS begins", "none", "starttls", "implicit")
	fl.StringArrayVar(&f.ca, "ca", nil, "trust this authority, a PEM file or a directory of them (repeatable)")
	fl.BoolVar(&f.insecure, "insecure", false, "accept any certificate")
	fl.StringVar(&f.serverName, "server-name", "", "the name that the certificate must be for, if it is not the host's")
	fl.StringVar(&f.target.User, "user", "", "log in as this user wherever mail is sent")
	fl.StringVar(&f.target.Password, "password", "", "the password; it shows in the process list: prefer PARLEY_PASSWORD")
	fl.StringVar(&f.auth, "auth", "auto", "auto, or mechanisms to log in with: MECH[,MECH…]")
	fl.BoolVar(&f.target.LMTP, "lmtp", false, "the server speaks LMTP")
	fl.StringVar(&f.target.Hello, "hello", "", "what to call ourselves (default parley.example)")
	fl.StringVar(&f.target.From, "from", "", "a sender that is accepted (default that of --rcpt)")
	fl.StringVar(&f.target.Rcpt, "rcpt", "", "a mailbox that exists")
	fl.StringVar(&f.target.Unknown, "unknown", "", "a mailbox that does not exist")
	fl.StringVar(&f.target.Relay, "relay", "", "a foreign address, which the server must not relay to")
	fl.StringVar(&f.sink, "sink", "", "the mailbox of --rcpt: maildir:DIR, lmtp:ADDR to listen on, or command:CMD that prints an mbox")
	fl.DurationVar(&f.target.Timeout, "timeout", 10*time.Second, "how long the server may take for a reply")
	fl.StringArrayVarP(&f.exclude, "exclude", "x", nil, "leave out what the pattern matches")
	fl.StringVar(&f.dir, "dir", "", "read the checks below this folder instead of those built in")
	fl.StringVar(&f.name, "name", "", "what reports call the server (default that of --target)")
	fl.StringVar(&f.expected, "expected", "", "file of checks known to fail: id and reason on each line")
	fl.BoolVar(&f.strict, "strict", false, "what an RFC allows and advises against is a finding")
	fl.BoolVar(&f.tap, "tap", false, "write TAP 14")
	fl.StringVar(&f.junit, "junit", "", "write JUnit XML to this file")
	fl.StringVar(&f.json, "json", "", "write one JSON document to this file (- is the output)")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "only what is not as expected, and the sum")
	fl.BoolVar(&f.list, "list", false, "only list the checks and the requirements they hold")
	return cmd
}

// judge runs the checks that args name.
func (f *judgeFlags) judge(cmd *cobra.Command, args []string) error {
	all, err := f.checks()
	if err != nil {
		return err
	}
	picked, err := server.Select(all, args, f.exclude)
	switch {
	case err != nil:
		return err
	case len(picked) == 0:
		return usage("no check fits")
	case f.list:
		for _, c := range picked {
			fmt.Fprintf(cmd.OutOrStdout(), "%-36s %-6s %s\n", c.ID, c.Level, strings.Join(c.Rfc, " "))
		}
		return nil
	case f.target.Addr == "":
		return usage("no server is given: --target HOST:PORT")
	}
	plan := server.Plan{Checks: picked, Controls: server.Controls(all), Strict: f.strict, Again: again(cmd.Flags())}
	if err := f.complete(); err != nil {
		return err
	}
	if f.sink != "" {
		if f.target.Sink, err = server.OpenSink(f.sink); err != nil {
			return err
		}
		defer f.target.Sink.Close()
	}
	plan.Target = f.target
	if f.name == "" {
		f.name = f.target.Addr
	}
	plan.Peer = conformance.Peer{Name: f.name, Kind: conformance.ServerPeer, Target: f.target.Addr, When: time.Now().UTC().Truncate(time.Second)}
	if plan.Expected, err = f.known(); err != nil {
		return err
	}
	for id := range plan.Expected {
		if !slices.ContainsFunc(all, func(c *server.Check) bool { return c.ID == id }) {
			return usage("%s: no check is %s", f.expected, id)
		}
	}
	tell, err := f.teller(cmd, len(picked))
	if err != nil {
		return err
	}
	plan.Each = tell
	report, err := server.Run(cmd.Context(), plan)
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "parley: "+message(err))
		return &silentError{conformance.ExitInconclusive}
	}
	return f.finish(cmd, report)
}

func (f *judgeFlags) checks() ([]*server.Check, error) {
	if f.dir == "" {
		return server.Suite()
	}
	return server.Load(os.DirFS(f.dir))
}

// complete puts the flags about TLS and the user into the target.
func (f *judgeFlags) complete() error {
	t := &f.target
	t.Mode = server.Mode(f.mode)
	if t.Password == "" {
		t.Password = os.Getenv("PARLEY_PASSWORD")
	}
	if f.auth != "auto" {
		t.Mechanisms = strings.Split(f.auth, ",")
	}
	host, _, ok := strings.Cut(t.Addr, ":")
	if !ok {
		return usage("--target is HOST:PORT")
	}
	if f.serverName != "" {
		host = f.serverName
	}
	t.TLS = &tls.Config{ServerName: host, InsecureSkipVerify: f.insecure}
	if len(f.ca) > 0 {
		t.TLS.RootCAs = x509.NewCertPool()
	}
	for _, name := range f.ca {
		certs, err := authorities(name)
		if err != nil {
			return err
		}
		for _, c := range certs {
			t.TLS.RootCAs.AddCert(c)
		}
	}
	return nil
}

// again is the command line without patterns, outputs and the password, to put a check's
// id behind.
func again(flags *pflag.FlagSet) string {
	words := []string{"parley conform server"}
	flags.Visit(func(fl *pflag.Flag) {
		if slices.Contains([]string{"password", "expected", "junit", "json", "tap", "quiet", "exclude"}, fl.Name) {
			return
		}
		values := []string{fl.Value.String()}
		if list, ok := fl.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if strings.ContainsAny(v, " '\"*?\\<>$&;|") {
				v = "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
			}
			words = append(words, "--"+fl.Name+"="+v)
		}
	})
	return strings.Join(words, " ")
}
