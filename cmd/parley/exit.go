package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	mail "github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/transport"
)

// Exit codes, from sysexits.h where one fits.
const (
	exitOK          = 0
	exitUsage       = 64
	exitData        = 65 // bad message or address
	exitNoInput     = 66
	exitNoHost      = 68
	exitRefused     = 69 // refused for good, or some recipients refused
	exitSoftware    = 70
	exitIO          = 74 // before the message could be accepted
	exitTemporary   = 75
	exitProtocol    = 76 // the peer broke the protocol
	exitNoPerm      = 77 // authentication or certificate refused
	exitConfig      = 78 // asked-for feature not offered, or a fault of the configuration file
	exitUnknown     = 79 // the end of the content was sent and no complete reply came
	exitInterrupted = 130
)

// usageError is a mistake on the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// silentError carries an exit code when everything has been said already.
type silentError struct{ code int }

func (e *silentError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exitCode returns what err means to a script.
func exitCode(ctx context.Context, err error) int {
	var (
		silent  *silentError
		use     *usageError
		config  *configError
		e       *parley.Error
		dial    *transport.DialError
		address *mail.AddressError
		header  *mail.HeaderError
		content *mail.ContentError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent):
		return silent.code
	case errors.As(err, &e) && e.Ambiguous():
		return exitUnknown
	case ctx.Err() != nil && errors.Is(err, parley.ErrCanceled):
		return exitInterrupted
	case errors.As(err, &use), strings.HasPrefix(err.Error(), "unknown command"):
		return exitUsage
	case errors.As(err, &config):
		return exitConfig
	case errors.As(err, &content) && content.Fault == mail.FaultSource:
		return exitIO
	case errors.As(err, &address), errors.As(err, &header), errors.As(err, &content):
		return exitData
	case errors.Is(err, fs.ErrNotExist) && e == nil:
		return exitNoInput
	case errors.As(err, &dial) && dial.NotFound():
		return exitNoHost
	case e != nil:
		return exitOf(e)
	}
	return exitIO
}

func exitOf(e *parley.Error) int {
	var line *codec.LineEndError
	switch e.Kind {
	case parley.ErrUnsupported:
		return exitConfig
	case parley.ErrMisuse:
		return exitUsage
	case parley.ErrContent:
		if errors.As(e.Err, &line) {
			return exitData
		}
		return exitIO
	case parley.ErrViolation:
		return exitProtocol
	case parley.ErrTLS:
		return exitNoPerm
	case parley.ErrAuth:
		if e.Reply != nil && e.Reply.Temporary() {
			return exitTemporary
		}
		return exitNoPerm
	case parley.ErrRefused:
		if e.Temporary() {
			return exitTemporary
		}
		return exitRefused
	}
	return exitTemporary // network, time-out, given up
}

// message is the error in one line, without the prefix that the command gives itself.
func message(err error) string {
	s := strings.TrimPrefix(err.Error(), "parley: ")
	return escape(strings.ReplaceAll(s, "\n", " / "))
}

// advice says what to do next, where that is plain.
func advice(err error) string {
	var (
		e       *parley.Error
		content *mail.ContentError
		tlsErr  *transport.TLSError
	)
	switch {
	case errors.As(err, &content) && content.Fault == mail.FaultLongLine:
		return "re-encode the message (quoted-printable, base64), or send the line as it is with --as-is"
	case errors.As(err, &content) && content.Fault == mail.FaultBadHeader:
		return "encode the header (RFC 2047), or send it as it is with --as-is"
	case errors.As(err, &tlsErr) && tlsErr.Reason == transport.ReasonNotTLS:
		return "the server speaks plain text on this port: try --tls starttls"
	case errors.As(err, &tlsErr) && (tlsErr.Reason == transport.ReasonUnknownAuthority || tlsErr.Reason == transport.ReasonSelfSigned):
		return "name the authority with --ca FILE, pin the certificate with --pin FILE, or accept anything with --insecure"
	case errors.As(err, &tlsErr) && tlsErr.Reason == transport.ReasonWrongName:
		return "if the server is the right one, say whose certificate it shows with --server-name NAME"
	case !errors.As(err, &e):
		return ""
	case e.Ambiguous():
		return "do not send it again blindly: look for it at the recipient's first"
	case e.Kind == parley.ErrUnsupported && strings.Contains(e.Detail, "STARTTLS"):
		return "--tls none goes on in clear; --tls implicit is for servers that speak TLS from the first octet"
	case e.Kind == parley.ErrAuth && strings.Contains(err.Error(), "clear link"):
		return "use TLS, or allow it with --allow-plaintext-auth"
	}
	return ""
}

func asError(err error) *parley.Error {
	var e *parley.Error
	errors.As(err, &e)
	return e
}
