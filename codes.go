package parley

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/certfile"
	"github.com/parley-mail/parley/transport/proxy"
)

// Codes of errors, by the numbers of such classes, for who migrates.
const (
	codeFrozen        = 117 // an option that cannot change while connected
	codeConnected     = 104
	codeFirewall      = 118
	codeRefused       = 161 // the server answered with a failure; also of Error events
	codeCommunication = 162
	codeNoServer      = 163
	codeNoSender      = 164
	codeNoRecipient   = 165
	codeBusy          = 166
	codeTimeout       = 201
	codeNotPossible   = 211
	codeNotConnected  = 212
	codeFile          = 302
	codeCodePage      = 434
	codeDropped       = 1120
	codeStore         = 271
	codeNoCertificate = 281
	codeHandshake     = 276
	codeCertificate   = 280
	codeRefusedTCP    = 10061
	codeReset         = 10054
	codeNoHost        = 11001
)

// ErrorCode returns the number that such classes give to an error; 0 for nil, 1 for what
// has none.
func ErrorCode(err error) int {
	var (
		e        *Error
		dial     *transport.DialError
		tlsErr   *transport.TLSError
		proxyErr *proxy.Error
		page     *message.CodePageError
		charset  *message.CharsetError
	)
	for _, c := range []struct {
		is   bool
		code int
	}{
		{err == nil, 0},
		{errors.Is(err, ErrBusy), codeBusy},
		{errors.Is(err, ErrNoServer), codeNoServer},
		{errors.Is(err, ErrNoSender), codeNoSender},
		{errors.Is(err, ErrNoRecipient), codeNoRecipient},
		{errors.Is(err, ErrConnected), codeConnected},
		{errors.Is(err, ErrNotConnected), codeNotConnected},
		{errors.Is(err, ErrFrozen), codeFrozen},
		{errors.Is(err, ErrFirewall) || errors.As(err, &proxyErr), codeFirewall},
		{errors.As(err, &page) || errors.As(err, &charset), codeCodePage},
		{errors.Is(err, ErrTimeout), codeTimeout},
		{errors.Is(err, context.DeadlineExceeded), codeTimeout},
		{errors.As(err, &dial) && dial.NotFound(), codeNoHost},
		{errors.Is(err, syscall.ECONNREFUSED), codeRefusedTCP},
		{errors.Is(err, syscall.ECONNRESET), codeReset},
		{errors.As(err, &tlsErr) && certificateAtFault(tlsErr.Reason), codeCertificate},
		{errors.Is(err, certfile.ErrPassword), codeStore},
		{errors.Is(err, certfile.ErrNotFound), codeNoCertificate},
		{errors.Is(err, ErrTLS), codeHandshake},
		{errors.As(err, &e) && e.Reply != nil, codeRefused},
		{errors.Is(err, ErrViolation), codeCommunication},
		{errors.Is(err, ErrTransport), codeDropped},
		{errors.Is(err, ErrUnsupported), codeNotPossible},
		{errors.Is(err, fs.ErrNotExist), codeFile},
		{errors.Is(err, os.ErrPermission), codeFile},
	} {
		if c.is {
			return c.code
		}
	}
	return 1
}

func certificateAtFault(r transport.Reason) bool {
	switch r {
	case transport.ReasonUnknownAuthority, transport.ReasonSelfSigned, transport.ReasonExpired, transport.ReasonWrongName,
		transport.ReasonWrongUsage, transport.ReasonPinMismatch, transport.ReasonBadCertificate, transport.ReasonRefused, transport.ReasonWeakSignature:
		return true
	}
	return false
}
