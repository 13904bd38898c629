package gssapi

import (
	"crypto/hmac"
	"encoding/binary"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/parley-mail/parley/auth"
)

// Flags of a GSS context (RFC 4121 §4.1.1.1).
const (
	flagMutual = 2
	flagInteg  = 32
)

// secContext is the initiator's side of a security context (RFC 4121). The
// library makes the AP-REQ; it verifies no AP-REP, so that is done here.
type secContext struct {
	key    types.EncryptionKey // the session key, later the acceptor's subkey if there is one
	subkey bool                // key is the acceptor's subkey

	time     time.Time // of the authenticator; the acceptor sends it back
	micros   int
	sequence uint64
}

// newContext begins a context and returns the token that says so.
func newContext(t *ticket) (*secContext, []byte, error) {
	switch t.key.KeyType {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96,
		etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192:
	default: // DES and RC4 have tokens of another form (RFC 1964, RFC 4757)
		return nil, nil, fail(auth.StepStart, auth.RuleUnsupported, "the ticket's encryption is not AES", nil)
	}
	authenticator, err := types.NewAuthenticator(t.realm, t.name)
	if err != nil {
		return nil, nil, fail(auth.StepStart, auth.RuleNoRandom, "", err)
	}
	// RFC 4121 §4.1.1: length of the channel bindings, none of them, the flags.
	checksum := make([]byte, 24)
	binary.LittleEndian.PutUint32(checksum, 16)
	binary.LittleEndian.PutUint32(checksum[20:], flagMutual|flagInteg)
	authenticator.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: checksum}

	request, err := messages.NewAPReq(t.ticket, t.key, authenticator)
	if err != nil {
		return nil, nil, fail(auth.StepStart, auth.RuleInternal, "AP-REQ", nil)
	}
	types.SetFlag(&request.APOptions, flags.APOptionMutualRequired)
	body, err := request.Marshal()
	if err != nil {
		return nil, nil, fail(auth.StepStart, auth.RuleInternal, "AP-REQ", nil)
	}
	return &secContext{
		key:      t.key,
		time:     authenticator.CTime,
		micros:   authenticator.Cusec,
		sequence: uint64(authenticator.SeqNumber),
	}, frame(tokenAPReq, body), nil
}

// accept verifies the acceptor's answer: only who could read the ticket can
// send back the time that was in the authenticator (RFC 4120 §3.2.5). The
// library's parsers are kept from panicking through.
func (c *secContext) accept(token []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = fail(0, auth.RuleBadChallenge, "AP-REP", nil)
		}
	}()
	kind, body, ok := unframe(token)
	switch {
	case !ok:
		return fail(0, auth.RuleBadChallenge, "not a Kerberos token", nil)
	case kind == tokenError:
		return refused(body)
	case kind != tokenAPRep:
		return fail(0, auth.RuleBadChallenge, "neither AP-REP nor an error", nil)
	}
	var reply messages.APRep
	if reply.Unmarshal(body) != nil {
		return fail(0, auth.RuleBadChallenge, "AP-REP", nil)
	}
	plain, err := crypto.DecryptEncPart(reply.EncPart, c.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return fail(0, auth.RuleServerProof, "AP-REP cannot be decrypted", nil)
	}
	var part messages.EncAPRepPart
	if part.Unmarshal(plain) != nil {
		return fail(0, auth.RuleBadChallenge, "AP-REP", nil)
	}
	if part.CTime.Unix() != c.time.Unix() || part.Cusec != c.micros {
		return fail(0, auth.RuleServerProof, "AP-REP is to another request", nil)
	}
	if len(part.Subkey.KeyValue) > 0 {
		c.key, c.subkey = part.Subkey, true
	}
	return nil
}

// refused reads a KRB-ERROR.
func refused(body []byte) error {
	var e messages.KRBError
	if e.Unmarshal(body) != nil {
		return fail(0, auth.RuleBadChallenge, "KRB-ERROR", nil)
	}
	err := fail(0, auth.RuleServerError, errorcode.Lookup(e.ErrorCode), nil)
	err.Server = e.EText[:min(len(e.EText), maxText)]
	return err
}

// wrap protects a message against change, and leaves it readable
// (RFC 4121 §4.2.4).
func (c *secContext) wrap(message []byte) ([]byte, error) {
	t := wrapToken{sequence: c.sequence, payload: message}
	if c.subkey {
		t.flags |= wrapSubkey
	}
	c.sequence++
	sum, err := c.checksum(t, keyusage.GSSAPI_INITIATOR_SEAL)
	if err != nil {
		return nil, fail(0, auth.RuleInternal, "checksum", nil)
	}
	return t.append(nil, sum), nil
}

// unwrap verifies what the acceptor has wrapped.
func (c *secContext) unwrap(token []byte) (message []byte, err error) {
	defer func() {
		if recover() != nil {
			message, err = nil, fail(0, auth.RuleBadChallenge, "wrap token", nil)
		}
	}()
	t, sum, ok := parseWrapToken(token)
	switch {
	case !ok || t.flags&wrapAcceptor == 0:
		return nil, fail(0, auth.RuleBadChallenge, "not the acceptor's wrap token", nil)
	case t.flags&wrapSealed != 0:
		return nil, fail(0, auth.RuleUnsupported, "encrypted wrap token", nil)
	case t.flags&wrapSubkey != 0 != c.subkey:
		return nil, fail(0, auth.RuleBadChallenge, "wrap token of another key", nil)
	}
	want, err := c.checksum(t, keyusage.GSSAPI_ACCEPTOR_SEAL)
	if err != nil {
		return nil, fail(0, auth.RuleUnsupported, "encryption type of the acceptor's subkey", nil)
	}
	if !hmac.Equal(sum, want) {
		return nil, fail(0, auth.RuleServerProof, "checksum of the wrap token", nil)
	}
	return t.payload, nil
}

// checksum is over the message and, behind it, the header with the two counts
// zero.
func (c *secContext) checksum(t wrapToken, usage uint32) ([]byte, error) {
	etype, err := crypto.GetEtype(c.key.KeyType)
	if err != nil {
		return nil, err
	}
	covered := append(append([]byte(nil), t.payload...), t.header(0)...)
	return etype.GetChecksumHash(c.key.KeyValue, covered, usage)
}
