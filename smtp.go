package parley

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport"
)

//go:generate go test -run TestClassDoc -update .

// SMTP is one connection and one message under construction, driven by properties: set
// fields, call Send. It is the face for programs that think in a class with properties;
// every property, setting and method has the name that such classes give it, and every
// setting can also be reached by its name through Config. Programs that send much, or
// from many goroutines, are better served by Dial and Conn.
//
// New returns one with the documented defaults. The zero value is usable too, with its
// zero fields: it greets with HELO, lets refused recipients pass, and waits as long as
// RFC 5321 says.
//
// Methods block. One runs at a time: a second call meanwhile, also from a handler, is
// ErrBusy. Idle, Connected, LastReply and Interrupt may be called from anywhere at any
// time. Fields are read when a method begins and must not be changed while one runs.
type SMTP struct {
	Properties

	// What happens. Handlers run on the goroutine of the method, unless QueueEvents keeps
	// events for DoEvents. Events has all of them and the engine's own beside.
	Events                    events.Bus
	QueueEvents               bool
	OnConnectionStatus        func(*events.ConnectionStatus)
	OnPITrail                 func(*events.PITrail)
	OnStartTransfer           func(*events.StartTransfer)
	OnTransfer                func(*events.Transfer)
	OnEndTransfer             func(*events.EndTransfer)
	OnExpand                  func(*events.Expand)
	OnError                   func(*events.Error)
	OnSSLServerAuthentication func(*events.SSLServerAuthentication)
	OnSSLStatus               func(*events.SSLStatus)

	state smtpState
}

// Properties are the fields of SMTP that Reset puts back to their defaults.
type Properties struct {
	// The message.
	Subject                string
	MessageText            string    // the body; a line beginning with "." needs no care
	Message                []byte    // a whole message (RFC 5322), sent instead of a computed one
	MessageStream          io.Reader // the same, read while it is sent; seekable readers are looked through first
	MessageDate            string    // "*": now; "": no Date field; otherwise the value
	MessageId              string    // "*": a generated one; "": no field; otherwise the value. Send puts a generated one here; the next message gets another
	MessageIdAlgorithm     string    // hash of a generated id: MD5, SHA1, SHA-256, SHA-384, SHA-512; "": SHA-256
	Importance             message.Importance
	Priority               message.Priority
	Sensitivity            message.Sensitivity
	ReplyTo                string
	ReadReceiptTo          string // Disposition-Notification-To (RFC 8098)
	DeliveryNotificationTo string // Return-Receipt-To; recipients' NOTIFY is what works
	OtherHeaders           string // further header lines; beginning with an empty line they replace all others
	Charset                string // encode header text (RFC 2047) in this charset; "": do not
	MaxHeaderLength        int    // fold longer header lines; 0: only where 998 octets demand it
	CodePage               int    // Windows code page that the text is sent in; 0: 65001, UTF-8
	HTML                   string // an alternative to MessageText
	Attachments            []message.Attachment
	TLSOptional            bool // TLS-Required: No (RFC 8689 §4.3)

	// The envelope.
	From              string
	ReturnPath        string // reverse-path instead of From; "<>": the null path
	SendTo            string // comma separated; each in the To field
	Cc                string
	BCc               string // in no header field
	MessageRecipients []Recipient
	AllowEmptyTo      bool // Cc or BCc alone will do
	StopOnToErrors    bool // one refused SendTo recipient stops the whole
	StopOnCcErrors    bool
	StopOnBccErrors   bool
	SendRSET          bool // RSET before each message of a connection but the first
	DSN               DSN
	Params            codec.MailParams // further parameters of MAIL: BY, HOLDFOR, MT-PRIORITY, REQUIRETLS…
	MayDrop           session.Needs    // parameters that may be left out where the server does not offer them
	AsIs              bool             // send lines over 998 octets, and header octets that are no UTF-8
	LineEnds          codec.LineEnds   // what to do with a bare CR or LF

	// The server.
	MailServer      string // host name or address
	MailPort        int    // 0: 25
	Network         string // "unix": MailServer is the path of a socket
	LMTP            bool   // RFC 2033
	AllowExtensions bool   // EHLO; otherwise HELO and nothing that EHLO would offer
	Hello           string // argument of EHLO; "": the host's name, or an address literal
	LocalHost       string // address to dial from; while connected Config tells the one in use
	LocalPort       int    // port to dial from; while connected Config tells the one in use
	Dialer          transport.Dialer
	Session         session.Config // strictness, pipelining, DATA or BDAT, limits; the rest is filled in
	Compiled        bool           // run the compiled machine (fsm.Compiled) instead of fsm.Looplab

	// Authentication.
	User                  string
	Password              auth.Secret
	AuthMechanism         AuthMechanism
	AuthorizationIdentity auth.Secret // authorization identity; with XOAUTH2 "Bearer <token>"
	AllowPlaintextAuth    bool        // let secrets out on a clear link; to this machine they go anyway
	Credentials           *auth.Credentials
	AuthPolicy            auth.Policy

	Firewall Firewall
	SSL      // the rows that begin with SSL, TLS12, TLS13 and OpenSSL

	// Time and sockets.
	Timeout           time.Duration // how long the server may be silent; 0: what RFC 5321 says for each command
	AbsoluteTimeout   bool          // Timeout bounds the whole method instead
	ConnectionTimeout time.Duration // for connecting; 0: Timeout
	MaxTransferRate   int64         // octets a second; 0: no limit
	MaxLineLength     int           // octets of a reply line; 0: 8192
	TCPKeepAlive      bool
	KeepAliveTime     time.Duration // idle time before the first probe
	KeepAliveInterval time.Duration // time between probes
	Linger            bool          // Close lets unsent octets go; otherwise it resets
	LingerTime        time.Duration // how long Close waits for that
	TcpNoDelay        bool          // send at once; false: gather small packets
	UseIPv6           IPv6
	InBufferSize      int
	OutBufferSize     int

	KeepQueue bool // ProcessQueue keeps sent files as .sent
}

// smtpState is what is not set by the caller.
type smtpState struct {
	mu        sync.Mutex
	busy      bool
	interrupt context.CancelCauseFunc
	conn      *Conn
	opened    opened // what conn was opened with
	machine   *fsm.Looplab
	queue     events.Queue
	queueing  sync.Once // sets the queue up
	generated string    // the Message-ID that was generated last
	required  []bool    // of the message being sent
	bodiless  bool      // it is a header section only
	moot      bool      // its sender was refused, so that what is said of recipients counts for nothing

	records    records // TLS records that LogSSLPackets has seen and not told
	firewalled bool    // the last connection went through a firewall

	connected    atomic.Bool
	local        atomic.Pointer[string]
	lastReply    atomic.Pointer[string]
	transferText atomic.Pointer[string]
	serverCert   atomic.Pointer[x509.Certificate]
	security     atomic.Pointer[transport.Security]
}

// New returns an SMTP with the documented defaults.
func New() *SMTP { return &SMTP{Properties: Defaults()} }

// Defaults returns the properties that a new SMTP has.
func Defaults() Properties {
	return Properties{
		MessageDate: "*", MessageId: "*", MaxHeaderLength: 80, CodePage: 65001,
		StopOnToErrors: true, StopOnCcErrors: true,
		MailPort: 25, AllowExtensions: true,
		Timeout: time.Minute, Linger: true, TcpNoDelay: true, MaxLineLength: codec.DefaultLine,
		SSL: SSL{
			SSLStartMode: SSLNone, SSLEnabledProtocols: TLS12Bits | TLS13Bits, SSLEnabledCipherSuites: "*",
			SSLProvider: "*", OpenSSLCipherList: "DEFAULT", SSLEnableRenegotiation: true,
		},
	}
}

// Recipient is one recipient beside SendTo, Cc and BCc.
type Recipient struct {
	Address string
	Name    string // for the header field
	Options string // "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b" (RFC 3461)
	Type    RecipientType
}

// RecipientType says which header field names a recipient.
type RecipientType uint8

// The types.
const (
	RecipientTo  RecipientType = iota // 0
	RecipientCc                       // 1
	RecipientBcc                      // 2: none
)

// DSN asks for delivery status notices for the whole message (RFC 3461).
type DSN struct {
	Notify     codec.Notify // for recipients that have no options of their own
	Return     string       // "FULL" or "HDRS"
	EnvelopeID string
}

// IPv6 says which addresses of a host are used. The default is both families, where such
// classes use IPv4 only; by its number in Config, UseIPv6 is 0 IPv4 only, 1 IPv6 only, 2 IPv6
// preferred.
type IPv6 uint8

// The choices.
const (
	IPDual IPv6 = iota
	IPv4Only
	IPv6Only
	IPv6Preferred
)

// Sentinels that errors.Is finds in what the methods return.
var (
	ErrBusy         = errors.New("parley: another method is running")
	ErrNotConnected = errors.New("parley: not connected")
	ErrConnected    = errors.New("parley: already connected")
	ErrNoServer     = errors.New("parley: no MailServer is given")
	ErrNoSender     = errors.New("parley: no From is given")
	ErrNoRecipient  = errors.New("parley: no recipient is given")
	ErrFirewall     = errors.New("parley: the firewall failed")
	ErrInterrupted  = error(interrupted{}) // also errors.Is(err, context.Canceled)
)

type interrupted struct{}

func (interrupted) Error() string        { return "parley: interrupted" }
func (interrupted) Is(target error) bool { return target == context.Canceled }

// Connected reports whether a session is open. It is false once the server has dropped the
// line: while no method runs, the connection is looked at.
func (s *SMTP) Connected() bool {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if !s.state.busy {
		s.look()
	}
	return s.state.connected.Load()
}

// look notices that the server has dropped the line.
func (s *SMTP) look() {
	if s.state.connected.Load() && s.state.conn.Stale() {
		s.state.connected.Store(false)
	}
}

// Idle reports whether no method is running.
func (s *SMTP) Idle() bool {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	return !s.state.busy
}

// LastReply returns the server's last reply, all its lines joined by CRLF.
func (s *SMTP) LastReply() string { return load(&s.state.lastReply) }

// TransferText returns, within a Transfer handler, the piece of content being sent; "" at
// other times.
func (s *SMTP) TransferText() string { return load(&s.state.transferText) }

func load(p *atomic.Pointer[string]) string {
	if v := p.Load(); v != nil {
		return *v
	}
	return ""
}

// Interrupt makes the running method end with ErrInterrupted; with none running it does
// nothing. A message whose content was on its way is then unknown, and the connection is
// closed.
func (s *SMTP) Interrupt() {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if s.state.interrupt != nil {
		s.state.interrupt(ErrInterrupted)
	}
}

// DoEvents calls the handlers for the events that QueueEvents has kept, and returns how
// many those were. Otherwise there are none.
func (s *SMTP) DoEvents() int { return s.eventQueue().Deliver() }

// Reset ends any session, puts every property and setting back to its default and forgets
// what the last session left, such as LastReply. Handlers and subscribers of Events stay.
func (s *SMTP) Reset(ctx context.Context) error {
	if err := s.Disconnect(ctx); err != nil {
		return err
	}
	done, _, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.Properties = Defaults()
	s.state.lastReply.Store(nil)
	s.state.local.Store(nil)
	s.state.serverCert.Store(nil)
	s.state.security.Store(nil)
	return nil
}

// ResetHeaders empties what becomes part of the header section or the envelope.
func (s *SMTP) ResetHeaders() {
	s.Subject, s.MessageDate, s.MessageId = "", "*", "*"
	s.Importance, s.Priority, s.Sensitivity = 0, 0, 0
	s.ReplyTo, s.ReadReceiptTo, s.DeliveryNotificationTo, s.OtherHeaders = "", "", "", ""
	s.From, s.ReturnPath, s.SendTo, s.Cc, s.BCc = "", "", "", "", ""
	s.MessageRecipients, s.DSN, s.Params, s.TLSOptional = nil, DSN{}, codec.MailParams{}, false
}

// begin marks a method as running. done ends it; ctx is the one to run it with.
func (s *SMTP) begin(ctx context.Context) (done func(), inner context.Context, err error) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if s.state.busy {
		return nil, nil, ErrBusy
	}
	s.look()
	s.state.busy = true
	inner, cancel := context.WithCancelCause(ctx)
	stop := func() {}
	if s.AbsoluteTimeout && s.Timeout > 0 {
		inner, stop = context.WithTimeout(inner, s.Timeout)
	}
	s.state.interrupt = cancel
	unsubscribe := s.listen()
	return func() {
		unsubscribe()
		stop()
		cancel(nil)
		s.state.mu.Lock()
		defer s.state.mu.Unlock()
		s.state.busy, s.state.interrupt = false, nil
	}, inner, nil
}
