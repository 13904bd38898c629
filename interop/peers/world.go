package peers

// The domain every peer receives mail for, and the name its certificate bears
// beside localhost and the loopback addresses.
const (
	Domain = "parley.test"
	Host   = "mx.parley.test"
)

// Account is a user that may authenticate and has a mailbox.
type Account struct {
	User     string // the local part of the mailbox; the authentication identity
	Password string
}

// Mailbox returns the account's address.
func (a Account) Mailbox() string { return a.User + "@" + Domain }

// The accounts of every peer.
var (
	Alice = Account{"alice", "through the looking glass"}
	Bob   = Account{"bob", "b0b,with=odd\"chars"}
	Carol = Account{"carol", "c"}
)

// Accounts returns all of them.
func Accounts() []Account { return []Account{Alice, Bob, Carol} }

// Local parts in [Domain] that a peer which can be told so refuses at RCPT.
const (
	Nobody  = "nobody"  // 550 5.1.1, there is no such mailbox
	Busy    = "busy"    // 450 4.2.1
	Full    = "full"    // 552 5.2.2
	Blocked = "blocked" // 554 5.7.1
)

// Kind names a way to reach a peer: a port with a certain behaviour.
type Kind string

// The kinds that several peers offer. A peer may have more of its own.
const (
	SMTP        Kind = "smtp"        // clear, no TLS, no authentication; mail for Domain only
	StartTLS    Kind = "starttls"    // clear, offers STARTTLS, mail for Domain only
	SMTPS       Kind = "smtps"       // TLS from the first octet
	Submission  Kind = "submission"  // STARTTLS and authentication required
	Submissions Kind = "submissions" // TLS from the first octet, authentication required
	AuthClear   Kind = "auth-clear"  // authentication required and offered in clear
	LMTP        Kind = "lmtp"        // RFC 2033

	LMTPStartTLS Kind = "lmtp-starttls" // the same, offers STARTTLS
	LMTPS        Kind = "lmtps"         // the same, TLS from the first octet
	LMTPUnix     Kind = "lmtp-unix"     // the same, at a path: a socket of the local machine
)
