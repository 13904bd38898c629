//go:build unix

package cube

import (
	"slices"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/interop/peers"
)

// Ports that many have.
var (
	relay      = []peers.Kind{peers.SMTP, peers.StartTLS, peers.SMTPS}
	submission = []peers.Kind{peers.AuthClear, peers.Submission, peers.Submissions}
	local      = []peers.Kind{peers.LMTP, peers.LMTPStartTLS, peers.LMTPS, peers.LMTPUnix}
)

// Servers are the peers of the cube, not started yet. With a realm, which may be nil, those
// that can offer GSSAPI do.
func Servers(realm *peers.Kerberos) []Server {
	return []Server{
		{
			Title: "Postfix", Peer: peers.NewPostfix().Kerberos(realm),
			Ports: slices.Concat(relay, submission, []peers.Kind{
				peers.TLSClientCert, peers.TLSRequired, peers.NoPipelining, peers.Strict, peers.Plain821, peers.Postscreen,
			}),
			Imitate: []peers.Kind{peers.StartTLS, peers.SMTPS},
		},
		{
			Title: "Postfix with Dovecot's SASL", Peer: peers.NewPostfix().Dovecot(peers.NewDovecot(realm)),
			Ports: submission,
		},
		{
			Title: "Exim", Peer: peers.NewExim().Kerberos(realm).Dovecot(peers.NewDovecot(nil)),
			Ports:   slices.Concat(relay, submission, []peers.Kind{peers.TLSClientCert}),
			Imitate: []peers.Kind{peers.StartTLS, peers.SMTPS},
		},
		{
			Title: "OpenSMTPD", Peer: peers.NewOpenSMTPD(),
			Ports: relay,
			NoTLS: []peers.Kind{peers.StartTLS, peers.SMTPS},
		},
		{
			Title: "Dovecot", Peer: peers.NewDovecot(realm),
			Ports:   slices.Concat(submission, local),
			Imitate: []peers.Kind{peers.Submission, peers.Submissions},
			Bars: []Bar{{
				Kinds: submission, Mode: "DATA, overlapped",
				Why: "the server takes no MAIL right behind the end of data, though it offers PIPELINING", Err: parley.ErrTransport,
			}},
		},
		{
			Title: "Cyrus", Peer: peers.NewCyrus().Kerberos(realm),
			Ports: []peers.Kind{peers.LMTPAuth, peers.LMTPAuthTLS, peers.LMTPUnix},
			Bars: []Bar{{
				Kinds: []peers.Kind{peers.LMTPUnix}, Login: "EXTERNAL",
				Why: "refused: who can open the socket is known without a login", Err: parley.ErrAuth,
			}},
		},
		{
			Title: "This project's sink", Peer: peers.NewSink(),
			Ports: slices.Concat(relay, submission, local),
		},
	}
}
