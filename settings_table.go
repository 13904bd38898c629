package parley

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/auth"
	"github.com/parley-mail/parley/message"
)

// Where a row stands in the class.
const (
	property = 1 << iota
	config
	frozen
)

// row makes a row of the table.
func row(name string, where int, kind func(*Setting), def, ref, doc string) Setting {
	r := Setting{Name: name, Property: where&property != 0, Config: where&config != 0, Frozen: where&frozen != 0, Default: def, Ref: ref, Doc: doc}
	kind(&r)
	return r
}

// settings is the table.
var settings = []Setting{
	// The message.
	row("Subject", property, text(func(s *SMTP) *string { return &s.Subject }), "", "RFC 5322 §3.6.5", "The Subject field; encoded if Charset is set, folded by MaxHeaderLength."),
	row("MessageText", property, text(func(s *SMTP) *string { return &s.MessageText }), "", "RFC 5321 §4.5.2", "The body. Line ends become CRLF, and lines that begin with a dot need no care."),
	row("Message", property, raw, "", "RFC 5322", "A whole message that is sent instead of a computed one; its Bcc fields are left out."),
	row("MessageDate", property, text(func(s *SMTP) *string { return &s.MessageDate }), "*", "RFC 5322 §3.6.1", "The Date field: * is now, nothing is no field, anything else is the value."),
	row("MessageId", property, text(func(s *SMTP) *string { return &s.MessageId }), "*", "RFC 5322 §3.6.4", "The Message-ID: * is a generated one, nothing is no field. After a send, the one used."),
	row("MessageIdAlgorithm", config, hashName, "SHA-256", "FIPS 180-4", "The hash of a generated Message-ID."),
	row("Importance", property, choices(func(s *SMTP) *message.Importance { return &s.Importance }, choiceOf[message.Importance]{0, 0, "unspecified"}, choiceOf[message.Importance]{message.ImportanceHigh, 1, "high"}, choiceOf[message.Importance]{message.ImportanceNormal, 2, "normal"}, choiceOf[message.Importance]{message.ImportanceLow, 3, "low"}), "0", "RFC 2156 §5.3.4", "The Importance field."),
	row("Priority", property, choices(func(s *SMTP) *message.Priority { return &s.Priority }, choiceOf[message.Priority]{0, 0, "unspecified"}, choiceOf[message.Priority]{message.PriorityNormal, 1, "normal"}, choiceOf[message.Priority]{message.PriorityUrgent, 2, "urgent"}, choiceOf[message.Priority]{message.PriorityNonUrgent, 3, "non-urgent"}), "0", "RFC 2156 §5.3.6", "The Priority field."),
	row("Sensitivity", property, choices(func(s *SMTP) *message.Sensitivity { return &s.Sensitivity }, choiceOf[message.Sensitivity]{0, 0, "unspecified"}, choiceOf[message.Sensitivity]{message.SensitivityPersonal, 1, "personal"}, choiceOf[message.Sensitivity]{message.SensitivityPrivate, 2, "private"}, choiceOf[message.Sensitivity]{message.SensitivityCompanyConfidential, 3, "company-confidential"}), "0", "RFC 2156 §5.3.8", "The Sensitivity field."),
	row("ReplyTo", property, text(func(s *SMTP) *string { return &s.ReplyTo }), "", "RFC 5322 §3.6.2", "The Reply-To field."),
	row("ReadReceiptTo", property, text(func(s *SMTP) *string { return &s.ReadReceiptTo }), "", "RFC 8098 §2.1", "The Disposition-Notification-To field: who is told that the message was read."),
	row("DeliveryNotificationTo", property, text(func(s *SMTP) *string { return &s.DeliveryNotificationTo }), "", "RFC 3461", "The Return-Receipt-To field, which few servers heed; NOTIFY in a recipient's options works."),
	row("OtherHeaders", property|config, text(func(s *SMTP) *string { return &s.OtherHeaders }), "", "RFC 5322 §2.2", "Further header lines. If it begins with an empty line it replaces all others."),
	row("MessageHeaders", property, readonly(headerLines), "", "RFC 5322 §2.2", "The header fields as they would be sent now."),
	row("MessageHeadersString", property|config, readonly(headerLines), "", "RFC 5322 §2.2", "The same as one block."),
	row("Charset", config, text(func(s *SMTP) *string { return &s.Charset }), "", "RFC 2047", "Header text is encoded in this charset; nothing means as given."),
	row("MaxHeaderLength", config, number(func(s *SMTP) *int { return &s.MaxHeaderLength }, 0, 998), "80", "RFC 5322 §2.1.1", "Longer header lines are folded; 0 folds nothing that need not be."),
	row("CodePage", config, number(func(s *SMTP) *int { return &s.CodePage }, 0, 65535), "65001", "Windows code pages", "The code page that the text is sent in; a character it lacks is an error."),

	// The envelope.
	row("From", property, text(func(s *SMTP) *string { return &s.From }), "", "RFC 5322 §3.6.2", "The sender: the From field, and the reverse-path unless ReturnPath is set. Required."),
	row("ReturnPath", property|config, text(func(s *SMTP) *string { return &s.ReturnPath }), "", "RFC 5321 §4.1.1.2", "The reverse-path, where notices of failure go; <> is the null path."),
	row("SendTo", property, text(func(s *SMTP) *string { return &s.SendTo }), "", "RFC 5322 §3.6.3", "Recipients, separated by commas, in the To field. Setting it again replaces them."),
	row("Cc", property, text(func(s *SMTP) *string { return &s.Cc }), "", "RFC 5322 §3.6.3", "Recipients of a copy, in the Cc field."),
	row("BCc", property, text(func(s *SMTP) *string { return &s.BCc }), "", "RFC 5322 §3.6.3", "Recipients that no header field names."),
	row("MessageRecipients", property, readonly(recipientLines), "", "RFC 3461 §4", "Further recipients with type, name and options; set in code."),
	row("AllowEmptyTo", config, flag(func(s *SMTP) *bool { return &s.AllowEmptyTo }), "False", "RFC 5322 §3.6.3", "Cc or BCc alone will do."),
	row("StopOnToErrors", config, flag(func(s *SMTP) *bool { return &s.StopOnToErrors }), "True", "RFC 5321 §3.3", "One refused SendTo recipient stops the message for everybody."),
	row("StopOnCcErrors", config, flag(func(s *SMTP) *bool { return &s.StopOnCcErrors }), "True", "RFC 5321 §3.3", "The same for Cc."),
	row("StopOnBccErrors", config, flag(func(s *SMTP) *bool { return &s.StopOnBccErrors }), "False", "RFC 5321 §3.3", "The same for BCc."),
	row("SendRSET", config, flag(func(s *SMTP) *bool { return &s.SendRSET }), "False", "RFC 5321 §4.1.1.5", "RSET before every message of a connection but the first. One that was given up is always reset."),

	// The server.
	row("MailServer", property|frozen, text(func(s *SMTP) *string { return &s.MailServer }), "", "RFC 5321 §5", "The server's host name or address; with * before it, a SOCKS firewall looks it up. Required."),
	row("MailPort", property|frozen, number(func(s *SMTP) *int { return &s.MailPort }, 1, 65535), "25", "RFC 8314", "The server's port."),
	row("AllowExtensions", property, flag(func(s *SMTP) *bool { return &s.AllowExtensions }), "True", "RFC 5321 §3.2", "EHLO, and HELO where that is not understood. Without it HELO, and no TLS and no login."),
	row("Hello", config, text(func(s *SMTP) *string { return &s.Hello }), "", "RFC 5321 §4.1.1.1", "What to call ourselves; nothing means the host's name, or an address literal."),
	row("LocalHost", property|config|frozen, localHost, "", "", "The address to dial from. While connected, the one in use."),
	row("LocalPort", config|frozen, localPort, "0", "", "The port to dial from; 0 is any. While connected, the one in use."),
	row("Connected", property, readonly(func(s *SMTP) string { return yesNo(s.Connected()) }), "False", "", "Whether a session is open."),
	row("Idle", property, readonly(func(s *SMTP) string { return yesNo(s.Idle()) }), "True", "", "Whether no method is running."),
	row("LastReply", property, readonly((*SMTP).LastReply), "", "RFC 5321 §4.2", "The server's last reply, all its lines."),
	row("Command", property, readonly(func(*SMTP) string { return "" }), "", "RFC 5321 §4.1.1", "Sends a line as it is; a method here, since it can fail."),
	row("BuildInfo", config, readonly(func(*SMTP) string { return BuildInfo() }), "", "", "Which build this is."),
	row("LicenseInfo", config, readonly(func(*SMTP) string { return LicenseInfo() }), "", "", "The licence."),

	// Authentication.
	row("User", property, text(func(s *SMTP) *string { return &s.User }), "", "RFC 4954", "The login name; nothing means no AUTH."),
	row("Password", property, secret(func(s *SMTP) *auth.Secret { return &s.Password }), "", "RFC 4954", "The password. It is never shown."),
	row("AuthMechanism", property, mechanism, "auto", "RFC 4954 §4", "How to log in: by number, or auto for the strongest that both sides can."),
	row("AuthorizationIdentity", config, secret(func(s *SMTP) *auth.Secret { return &s.AuthorizationIdentity }), "", "RFC 4422 §2", "The identity to act as; with XOAUTH2, Bearer and the token."),

	// Firewall.
	row("Firewall", property, readonly(func(s *SMTP) string { return firewallLine(s) }), "", "", "The group of the settings below."),
	row("FirewallAutoDetect", config, flag(func(s *SMTP) *bool { return &s.Firewall.AutoDetect }), "False", "", "Use the proxy that HTTPS_PROXY, ALL_PROXY and NO_PROXY name."),
	row("FirewallType", config, choices(func(s *SMTP) *FirewallType { return &s.Firewall.Type }, choiceOf[FirewallType]{FirewallNone, 0, "none"}, choiceOf[FirewallType]{FirewallTunnel, 1, "tunnel"}, choiceOf[FirewallType]{FirewallSOCKS4, 2, "socks4"}, choiceOf[FirewallType]{FirewallSOCKS5, 3, "socks5"}, choiceOf[FirewallType]{FirewallSOCKS4A, 10, "socks4a"}), "0", "RFC 1928, RFC 9110 §9.3.6", "The kind of proxy."),
	row("FirewallHost", config, text(func(s *SMTP) *string { return &s.Firewall.Host }), "", "", "The proxy's host; every connection goes through it."),
	row("FirewallPort", config, number(func(s *SMTP) *int { return &s.Firewall.Port }, 0, 65535), "0", "", "The proxy's port; 0 is 80 for a tunnel and 1080 for SOCKS."),
	row("FirewallUser", config, text(func(s *SMTP) *string { return &s.Firewall.User }), "", "RFC 1929, RFC 7617", "The user at the proxy."),
	row("FirewallPassword", config, secret(func(s *SMTP) *auth.Secret { return &s.Firewall.Password }), "", "RFC 1929, RFC 7617", "The password at the proxy. It is never shown."),
	row("FirewallData", config, text(func(s *SMTP) *string { return &s.Firewall.Data }), "", "RFC 9110 §9.3.6", "Further header lines for a tunnel's request."),
	row("ProxyExceptionsList", config, text(func(s *SMTP) *string { return &s.Firewall.Exceptions }), "", "", "Hosts reached without the proxy, separated by semicolons: names, .suffixes, addresses, prefixes."),

	// TLS: when, and whom to trust.
	row("SSLEnabled", property, tlsEnabled, "False", "RFC 3207", "TLS, as SSLStartMode says, or automatic. No is SSLStartMode none."),
	row("SSLStartMode", property, startMode, "3", "RFC 8314 §3.3", "When TLS begins; automatic is STARTTLS on 25 and 587, at once on other ports. None is SSLEnabled no."),
	row("SSLAcceptServerCert", property, text(func(s *SMTP) *string { return &s.SSLAcceptServerCert }), "", "", "A certificate, PEM or base64, that is accepted whatever else is wrong with it."),
	row("SSLAcceptAnyServerCert", config, flag(func(s *SMTP) *bool { return &s.SSLAcceptAnyServerCert }), "False", "", "Accept any certificate."),
	row("SSLServerCert", property, readonly(serverCertLine), "", "RFC 5280", "The server's certificate of the last TLS connection."),
	row("SSLCert", property, text(func(s *SMTP) *string { return &s.SSLCert.Encoded }), "", "RFC 8446 §4.4.2", "The client's certificate and key, as PEM."),
	row("SSLCACerts", config, text(func(s *SMTP) *string { return &s.SSLCACerts }), "", "RFC 8446 §4.4.2", "Certificates, as PEM, sent along with SSLCert."),
	row("SSLServerCACerts", config, text(func(s *SMTP) *string { return &s.SSLServerCACerts }), "", "RFC 5280 §6", "Authorities, as PEM, trusted beside the system's."),
	row("OpenSSLCADir", config, text(func(s *SMTP) *string { return &s.OpenSSLCADir }), "", "RFC 5280 §6", "The same, a directory of PEM files."),
	row("OpenSSLCAFile", config, text(func(s *SMTP) *string { return &s.OpenSSLCAFile }), "", "RFC 5280 §6", "The same, a PEM file."),
	row("SSLSecurityFlags", config, number(func(s *SMTP) *uint32 { return &s.SSLSecurityFlags }, 0, 1<<32-1), "0", "RFC 5280 §6", "Problems to forgive: 0x1 validity time, 0x10 unknown authority, 0x20 usage, 0x80000000 name."),
	row("SSLIncludeCertChain", config, flag(func(s *SMTP) *bool { return &s.SSLIncludeCertChain }), "False", "", "SSLServerAuthentication gets every certificate that was sent."),

	// TLS: the handshake.
	row("SSLEnabledProtocols", config, number(func(s *SMTP) *int { return &s.SSLEnabledProtocols }, 0, 16383), "15360", "RFC 8996", "Protocol versions, added up: 192 TLS 1.0, 768 TLS 1.1, 3072 TLS 1.2, 12288 TLS 1.3."),
	row("SSLCipherStrength", config, number(func(s *SMTP) *int { return &s.SSLCipherStrength }, 0, 256), "0", "RFC 9325 §4", "The least bits of the bulk cipher."),
	row("SSLEnabledCipherSuites", config, text(func(s *SMTP) *string { return &s.SSLEnabledCipherSuites }), "*", "RFC 8446 §B.4", "Suites by their names, separated by semicolons; * is the engine's choice."),
	row("OpenSSLCipherList", config, text(func(s *SMTP) *string { return &s.OpenSSLCipherList }), "DEFAULT", "", "Suites in the syntax of OpenSSL."),
	row("TLS12SignatureAlgorithms", config, text(func(s *SMTP) *string { return &s.TLS12SignatureAlgorithms }), "", "RFC 5246 §7.4.1.4.1", "Signature algorithms, separated by commas, as in sha256-rsa; nothing is the engine's choice."),
	row("TLS12SupportedGroups", config, text(func(s *SMTP) *string { return &s.TLS12SupportedGroups }), "", "RFC 8422 §5.1.1", "Key exchange groups, separated by commas, as in ecdhe_secp256r1."),
	row("TLS13SupportedGroups", config, text(func(s *SMTP) *string { return &s.TLS13SupportedGroups }), "", "RFC 8446 §4.2.7", "The same for TLS 1.3."),
	row("TLS13KeyShareGroups", config, text(func(s *SMTP) *string { return &s.TLS13KeyShareGroups }), "", "RFC 8446 §4.2.8", "Groups whose share goes with the first hello; one classical share is sent."),
	row("TLS13SignatureAlgorithms", config, text(func(s *SMTP) *string { return &s.TLS13SignatureAlgorithms }), "", "RFC 8446 §4.2.3", "Signature algorithms for TLS 1.3, as in ecdsa_secp256r1_sha256."),
	row("SSLEnableRenegotiation", config, flag(func(s *SMTP) *bool { return &s.SSLEnableRenegotiation }), "True", "RFC 5746", "Send renegotiation_info. Renegotiation itself is never done."),
	row("ReuseSSLSession", config, flag(func(s *SMTP) *bool { return &s.ReuseSSLSession }), "False", "RFC 8446 §2.2", "Resume this object's earlier TLS sessions, for ten hours."),
	row("OpenSSLPrngSeedData", config, text(func(s *SMTP) *string { return &s.OpenSSLPrngSeedData }), "", "", "Mixed into the randomness that TLS uses for what is not a key; never weaker than the system's."),
	row("UseInternalSecurityAPI", config, choices(func(s *SMTP) *Engine { return &s.UseInternalSecurityAPI }, choiceOf[Engine]{EngineByNeed, -1, "auto"}, choiceOf[Engine]{EngineStandard, -1, "False"}, choiceOf[Engine]{EngineInternal, -1, "True"}), "auto", "", "Which TLS engine: the standard library's, or the one that shapes its hello; auto is by need."),
	row("SSLProvider", config, text(func(s *SMTP) *string { return &s.SSLProvider }), "*", "", "The TLS engine by name: *, crypto/tls or utls."),
	row("LogSSLPackets", config, flag(func(s *SMTP) *bool { return &s.LogSSLPackets }), "False", "RFC 8446 §5", "An SSLStatus event for each TLS record; never its content."),
	row("SSLNegotiatedVersion", config, readonly((*SMTP).SSLNegotiatedVersion), "", "RFC 8446 §4.2.1", "The version agreed on."),
	row("SSLNegotiatedCipherSuite", config, readonly((*SMTP).SSLNegotiatedCipherSuite), "", "RFC 8446 §B.4", "The suite agreed on."),
	row("SSLNegotiatedCipher", config, readonly((*SMTP).SSLNegotiatedCipher), "", "RFC 8446 §B.4", "Its bulk cipher."),
	row("SSLNegotiatedCipherStrength", config, readonly(func(s *SMTP) string { return strconv.Itoa(s.SSLNegotiatedCipherStrength()) }), "0", "RFC 8446 §B.4", "The bits of that."),
	row("SSLNegotiatedKeyExchange", config, readonly((*SMTP).SSLNegotiatedKeyExchange), "", "RFC 8446 §4.2.7", "The key exchange agreed on."),
	row("SSLNegotiatedKeyExchangeStrength", config, readonly(func(s *SMTP) string { return strconv.Itoa(s.SSLNegotiatedKeyExchangeStrength()) }), "0", "RFC 8446 §4.2.7", "The bits of that."),

	// Time and sockets.
	row("Timeout", property, span(func(s *SMTP) *time.Duration { return &s.Timeout }, time.Second), "60", "RFC 5321 §4.5.3.2", "How long the server may be silent; 0 is as long as RFC 5321 says. The answer to the end of the content gets ten minutes all the same."),
	row("AbsoluteTimeout", config, flag(func(s *SMTP) *bool { return &s.AbsoluteTimeout }), "False", "", "Timeout bounds the whole method instead."),
	row("ConnectionTimeout", config, span(func(s *SMTP) *time.Duration { return &s.ConnectionTimeout }, time.Second), "0", "", "How long connecting may take; 0 is Timeout."),
	row("MaxTransferRate", config, number(func(s *SMTP) *int64 { return &s.MaxTransferRate }, 0, 1<<40), "0", "", "Octets a second to write at most; 0 is no limit."),
	row("MaxLineLength", config|frozen, number(func(s *SMTP) *int { return &s.MaxLineLength }, 256, 1<<20), "8192", "RFC 5321 §4.5.3.1.5", "The longest reply line; a longer one ends the session."),
	row("TCPKeepAlive", config, flag(func(s *SMTP) *bool { return &s.TCPKeepAlive }), "False", "RFC 9293 §3.8.4", "Keep-alive probes."),
	row("KeepAliveTime", config, span(func(s *SMTP) *time.Duration { return &s.KeepAliveTime }, time.Millisecond), "0", "RFC 9293 §3.8.4", "Idle time before the first probe; setting it switches them on."),
	row("KeepAliveInterval", config, span(func(s *SMTP) *time.Duration { return &s.KeepAliveInterval }, time.Millisecond), "0", "RFC 9293 §3.8.4", "Time between unanswered probes; setting it switches them on."),
	row("Linger", config, flag(func(s *SMTP) *bool { return &s.Linger }), "True", "RFC 9293 §3.9.1", "Closing lets go what is not sent yet; without it the connection is reset."),
	row("LingerTime", config, span(func(s *SMTP) *time.Duration { return &s.LingerTime }, time.Second), "0", "RFC 9293 §3.9.1", "How long closing waits for that; 0 does not wait."),
	row("TcpNoDelay", config, flag(func(s *SMTP) *bool { return &s.TcpNoDelay }), "True", "RFC 896", "Send small packets at once."),
	row("UseIPv6", config, choices(func(s *SMTP) *IPv6 { return &s.UseIPv6 }, choiceOf[IPv6]{IPDual, -1, "dual"}, choiceOf[IPv6]{IPv4Only, 0, "IPv4"}, choiceOf[IPv6]{IPv6Only, 1, "IPv6"}, choiceOf[IPv6]{IPv6Preferred, 2, "prefer IPv6"}), "dual", "RFC 8305", "Which addresses of a host are used."),
	row("InBufferSize", config, number(func(s *SMTP) *int { return &s.InBufferSize }, 0, 1<<30), "0", "", "The socket's receive buffer; 0 is the system's choice."),
	row("OutBufferSize", config, number(func(s *SMTP) *int { return &s.OutBufferSize }, 0, 1<<30), "0", "", "The socket's send buffer; 0 is the system's choice."),

	// The rest.
	row("KeepQueue", config, flag(func(s *SMTP) *bool { return &s.KeepQueue }), "False", "", "ProcessQueue keeps what it has sent, as .sent files."),
	row("TransferText", config, readonly((*SMTP).TransferText), "", "", "Within a Transfer handler, the piece that is being sent."),
}

func yesNo(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// raw is the property Message.
func raw(r *Setting) {
	r.Type = "text"
	r.get = func(s *SMTP) string { return string(s.Message) }
	r.set = func(s *SMTP, v string) error { s.Message = []byte(v); return nil }
}

func localHost(r *Setting) {
	text(func(s *SMTP) *string { return &s.LocalHost })(r)
	r.get = func(s *SMTP) string { host, _ := s.localAddr(); return host }
}

func localPort(r *Setting) {
	number(func(s *SMTP) *int { return &s.LocalPort }, 0, 65535)(r)
	r.get = func(s *SMTP) string { _, port := s.localAddr(); return port }
}

func hashName(r *Setting) {
	text(func(s *SMTP) *string { return &s.MessageIdAlgorithm })(r)
	plain := r.set
	r.Allowed = "MD5, SHA1, SHA-256, SHA-384 or SHA-512"
	r.get = func(s *SMTP) string { return cmpOr(s.MessageIdAlgorithm, "SHA-256") }
	r.set = func(s *SMTP, v string) error {
		if _, err := message.ParseMessageIDAlgorithm(v); err != nil {
			return err
		}
		return plain(s, v)
	}
}

// tlsEnabled and startMode are two sides of one thing.
func tlsEnabled(r *Setting) {
	flag(func(s *SMTP) *bool { return &s.SSLEnabled })(r)
	plain := r.set
	r.get = func(s *SMTP) string { return yesNo(s.SSLEnabled || s.SSLStartMode != SSLNone) }
	r.set = func(s *SMTP, v string) error {
		err := plain(s, v)
		if err == nil && !s.SSLEnabled {
			s.SSLStartMode = SSLNone
		}
		return err
	}
}

func startMode(r *Setting) {
	type m = choiceOf[SSLStartMode]
	choices(func(s *SMTP) *SSLStartMode { return &s.SSLStartMode },
		m{SSLAutomatic, 0, "automatic"}, m{SSLImplicit, 1, "implicit"}, m{SSLExplicit, 2, "explicit"}, m{SSLNone, 3, "none"}, m{SSLOpportunistic, 4, "opportunistic"})(r)
	plain := r.set
	r.set = func(s *SMTP, v string) error {
		err := plain(s, v)
		if err == nil {
			s.SSLEnabled = s.SSLStartMode != SSLNone
		}
		return err
	}
}

func mechanism(r *Setting) {
	type m = choiceOf[AuthMechanism]
	choices(func(s *SMTP) *AuthMechanism { return &s.AuthMechanism },
		m{AuthAuto, -1, "auto"}, m{AuthPassword, 0, "password"}, m{AuthCRAMMD5, 1, "CRAM-MD5"}, m{AuthNTLM, 2, "NTLM"}, m{AuthAPOP, 3, "APOP"},
		m{AuthPlain, 4, "PLAIN"}, m{AuthDigestMD5, 5, "DIGEST-MD5"}, m{AuthKerberos, 6, "Kerberos"}, m{AuthXOAUTH2, 7, "XOAUTH2"}, m{AuthSCRAM, 8, "SCRAM"})(r)
	plain := r.set
	r.set = func(s *SMTP, v string) error {
		if strings.TrimSpace(v) == "3" || strings.EqualFold(strings.TrimSpace(v), "APOP") {
			return errAPOP
		}
		return plain(s, v)
	}
}

type apopError struct{}

func (apopError) Error() string { return "APOP is for POP only" }

var errAPOP error = apopError{}

func headerLines(s *SMTP) string {
	block, err := s.MessageHeadersString()
	if err != nil {
		return ""
	}
	return block
}

func recipientLines(s *SMTP) string {
	var all []string
	for _, r := range s.MessageRecipients {
		all = append(all, strings.TrimSpace(r.Address+" "+r.Options))
	}
	return strings.Join(all, ", ")
}

func firewallLine(s *SMTP) string {
	if s.Firewall.Host == "" {
		return ""
	}
	return s.Firewall.Host
}

func serverCertLine(s *SMTP) string {
	if c := s.SSLServerCert(); c != nil {
		return c.Subject.String()
	}
	return ""
}

// BuildInfo returns the module's version and the Go version.
func BuildInfo() string {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == modulePath && m.Version != "" {
				version = m.Version
			}
		}
	}
	return modulePath + " " + version + " " + runtime.Version()
}

const modulePath = "github.com/parley-mail/parley"

// LicenseInfo returns the licence of this library.
func LicenseInfo() string { return "Parley: Apache License, Version 2.0" }
