package archtest_test

// row allows an import. Everything that no row allows is forbidden.
type row struct {
	from    string // a package below the module's root; "." is the root package; "a/..." is a and all below
	to      string // a package of ours or a module outside; public is every package a user could import
	because string
}

// public stands for the packages that are not below internal, and not the command.
const public = "public"

// ours says which of our packages may import which. The order is bottom up: no
// row may point at a package that only comes later, except within one tree.
var ours = []row{
	{"message", "codec", "a path knows how it looks on the wire, and parameters of an envelope are codec's"},
	{"events", "codec", "events carry replies and anomalies"},
	{"events", "fsm", "events carry states and commands"},

	{"session", "fsm", "the table says what may be sent"},
	{"session", "codec", "octets to replies, commands to octets"},
	{"session", "auth", "runs the mechanisms"},
	{"session", "message", "envelopes"},
	{"session", "events", "publishes to a Sink that it is given"},

	{"transport/...", "transport", "proxies, engines and test links are Conns and Dialers"},
	{"transport/record", "internal/escape", "how transcripts write octets"},
	{"transport/internal/tlstest", "transport/mem", "its servers are in memory"},

	{"queue/...", "message", "what is kept"},
	{"queue/...", "events", "reports what it does"},
	{"queue/...", "codec", "the reason for a delay is a reply"},

	{".", "session", "the driver owns one"},
	{".", "transport", "the driver owns one"},
	{".", "transport/...", "the settings name proxies, engines and recorders"},
	{".", "fsm", "errors say in which state; an option chooses the machine"},
	{".", "codec", "errors carry replies and anomalies"},
	{".", "auth", "credentials and policy are settings"},
	{".", "message", "what is sent"},
	{".", "events", "the bus"},
	{".", "queue", "the class has a spool; the queue sends through an interface of its own"},

	{"conformance/...", "fsm", "coverage is counted in rows of the table"},
	{"conformance/...", "codec", "scenarios hold replies"},
	{"conformance/...", "auth", "scenarios authenticate"},
	{"conformance/...", "message", "scenarios hold envelopes"},
	{"conformance/...", "events", "scenarios expect events"},
	{"conformance/...", "session", "the runner drives a session without a network"},
	{"conformance/...", "transport", "the live runner"},
	{"conformance/...", "transport/...", "the live runner and its in-memory links"},
	{"conformance/...", ".", "the live runner drives the whole client"},
	{"conformance/...", "internal/certs", "scenarios with STARTTLS"},
	{"conformance/...", "conformance/...", "parts of one tree"},
	{"conformance/smtpt", "internal/escape", "how transcripts write octets"},
	{"conformance/server", "internal/sink", "the mailbox that a server under test delivers to"},

	{"auth/gssapi", "auth", "a mechanism in a module of its own"},

	{"internal/gen", "fsm", "everything is generated from the table"},
	{"internal/smtptest", "internal/escape", "the scripts write octets as transcripts do"},
	{"internal/smtptest", "internal/certs", "the scripted peer's certificates"},
	{"internal/smtptest", "internal/sink", "the scripted peer may be the sink"},
	{"internal/smtptest", "transport/...", "in-memory links"},

	{"interop/peers", "internal/certs", "certificates of one run"},
	{"interop/peers", "internal/sink", "a peer that offers what others do not"},
	{"interop/cube", public, "the client, in every way it can be used"},

	{"fuzz/...", public, "targets for the whole engine"},
	{"bench/...", public, "measures anything"},
	{"bench/...", "internal/sink", "a server to measure against"},
	{"bench/...", "internal/rusage", "what a client takes"},
	{"cmd/...", public, "the command is a user of everything"},
	{"cmd/...", "internal/sink", "parley sink and parley demo"},
	{"cmd/...", "internal/certs", "their certificates"},
	{"cmd/...", "internal/rusage", "what parley bench took"},
}

// outside says which packages may import what is not ours. That which is not
// named here may import the standard library and nothing else.
var outside = []row{
	{"fsm", "github.com/looplab/fsm", "the second machine; only in looplab.go"},
	{"auth", "github.com/xdg-go/scram", "SCRAM"},
	{"auth", "github.com/xdg-go/stringprep", "SASLprep"},
	{"auth", "github.com/Azure/go-ntlmssp", "NTLM's messages"},
	{"auth/gssapi", "github.com/jcmturner/gokrb5/v8", "Kerberos; why this is a module of its own"},
	{"auth/gssapi", "github.com/jcmturner/gofork", "ASN.1 as gokrb5 wants it"},
	{"message", "golang.org/x/net", "IDNA"},
	{"message", "golang.org/x/text", "charsets and normal forms"},
	{"transport", "golang.org/x/sys", "socket options"},
	{".", "golang.org/x/sys", "tests look at the options of sockets"},
	{"transport/proxy", "golang.org/x/net", "SOCKS5 and the proxy environment"},
	{"transport/proxy", "github.com/icholy/digest", "HTTP Digest at a proxy"},
	{"transport/proxy", "github.com/Azure/go-ntlmssp", "NTLM at a proxy"},
	{"transport/utls", "github.com/refraction-networking/utls", "the second TLS engine"},
	{"transport/certfile", "golang.org/x/crypto", "PKCS #12 files encrypted by RC2"},
	{"internal/sink", "github.com/xdg-go/scram", "the server's half of SCRAM"},
	{"cmd/...", "github.com/spf13/cobra", "subcommands, help, completion"},
	{"cmd/...", "github.com/spf13/pflag", "comes with cobra"},
	{"cmd/...", "github.com/pelletier/go-toml/v2", "the configuration file"},
	{"cmd/...", "golang.org/x/term", "password prompt, width of a terminal"},
	{"cmd/...", "golang.org/x/sys", "terminal and process limits"},
	{"bench/...", "*", "a module of its own, with competitors to compare with"},
}

// tests says what test files may import beside what their package may. Any test
// may import any package of ours but the command.
var tests = []row{
	{"*", "github.com/google/go-cmp", "diffs"},
	{"*", "go.uber.org/goleak", "no goroutine is left behind"},
	{"*", "github.com/rogpeppe/go-internal", "testscript and txtar"},
	{"*", "golang.org/x/net", "oracles"},
	{"*", "golang.org/x/text", "oracles"},
	{"fsm", "github.com/looplab/fsm", "the drawing of its own visualiser is compared with ours"},
}

// bans beat what the tables above allow.
var bans = []row{
	{"fsm", "net", noIO},
	{"fsm", "os", noIO},
	{"fsm", "crypto/tls", noIO},
	{"codec", "net", noIO},
	{"codec", "os", noIO},
	{"codec", "sync", "a decoder belongs to one session"},
	{"auth", "net", noIO},
	{"auth", "os", noIO},
	{"auth", "crypto/tls", "binding data comes as octets, from either engine"},
	{"message", "net", "net/netip is enough for address literals"},
	{"session", "net", noIO},
	{"session", "os", noIO},
	{"session", "sync", "a session belongs to one goroutine"},
	{"session", "crypto/tls", "TLS is the driver's; a session is told the outcome"},
	{"...", "net/smtp", "frozen, and ours to replace"},
	{"...", "net/textproto", "unbounded lines and replies; the codec is ours"},
	{"...", "net/mail", "loses the quotes of a local part"},
	{"...", "log", "a library does not print"},
	{"...", "unsafe", "nothing here needs it"},
}

// pardons lift a ban.
var pardons = []row{
	{"bench/...", "net/smtp", "a competitor to compare with"},
	{"bench/...", "net/textproto", "what competitors are made of"},
}

const noIO = "the core does no I/O"

// core are the packages that read no clock and start no goroutine.
var core = []string{"fsm", "codec", "auth", "session"}

// deep are packages that must not reach what they may not import even through
// others; the others of the core get net through a library (NTLM's has an HTTP
// round tripper, X.509 parses addresses).
var deep = []row{
	{"fsm", "net", noIO},
	{"codec", "net", noIO},
	{"message", "net", noIO},
}

// only names the files that may import something; a fence within a package.
var only = []struct{ pkg, to, file string }{
	{"fsm", "github.com/looplab/fsm", "fsm/looplab.go"},
	{"conformance", module, "conformance/live.go"}, // all other runs are without a network
}

// clock are the functions of package time that read or await it.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}
