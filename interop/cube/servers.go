//go:build unix

package cube

import (
	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/interop/peers"
)

// Servers are the peers of the cube, not started yet. With a realm, which may be nil, those
// that can offer GSSAPI do.
func Servers(realm *peers.Kerberos) []Server {
	return []Server{
		{
			Title: "Postfix", Peer: peers.NewPostfix().Kerberos(realm),
			Ports: []peers.Kind{
				peers.SMTP, peers.StartTLS, peers.SMTPS, peers.AuthClear, peers.Submission, peers.Submissions,
				peers.TLSClientCert, peers.TLSRequired, peers.NoPipelining, peers.Strict, peers.Plain821, peers.Postscreen,
			},
			Imitate: []peers.Kind{peers.StartTLS, peers.SMTPS},
		},
		{
			Title: "Exim", Peer: peers.NewExim().Kerberos(realm),
			Ports:   []peers.Kind{peers.SMTP, peers.StartTLS, peers.SMTPS, peers.AuthClear, peers.Submission, peers.Submissions, peers.TLSClientCert},
			Imitate: []peers.Kind{peers.StartTLS, peers.SMTPS},
			Bars: []Bar{{
				Kinds: append(guarded[:len(guarded):len(guarded)], peers.TLSClientCert), Login: "NTLM",
				Why: "the server knows only the first version of it, the client only the second", Err: parley.ErrAuth,
			}},
		},
		{
			Title: "OpenSMTPD", Peer: peers.NewOpenSMTPD(),
			Ports: []peers.Kind{peers.SMTP, peers.StartTLS, peers.SMTPS},
			NoTLS: []peers.Kind{peers.StartTLS, peers.SMTPS},
		},
		{
			Title: "Dovecot", Peer: peers.NewDovecot(realm),
			Ports:   append(guarded[:len(guarded):len(guarded)], peers.LMTP, peers.LMTPStartTLS, peers.LMTPS, peers.LMTPUnix),
			Imitate: []peers.Kind{peers.Submission, peers.Submissions},
			Bars: []Bar{{
				Kinds: guarded, Mode: "DATA, overlapped",
				Why: "the server takes no MAIL right behind the end of data, though it offers PIPELINING", Err: parley.ErrTransport,
			}},
		},
	}
}
