package gssapi_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/parley-mail/parley/auth/gssapi"
)

const (
	realm   = "EXAMPLE.TEST"
	service = "smtp/mx.example"
)

// acceptor is the server's side of a context, small and for tests only.
type acceptor struct {
	t    testing.TB
	keys *keytab.Keytab

	client types.PrincipalName
	ticket messages.Ticket
	key    types.EncryptionKey // session key, then the key of the context

	authenticator types.Authenticator
	subkey        bool
}

// newAcceptor makes a service key and a ticket of the given encryption type.
func newAcceptor(t testing.TB, etype int32) *acceptor {
	t.Helper()
	a := &acceptor{t: t, keys: keytab.New(), client: types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "alice")}
	a.must(a.keys.AddEntry(service, realm, "the service's password", time.Now(), 1, etype))
	name := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, service)
	now := time.Now().UTC()
	a.key = newKey(etype)
	plain, err := asn1.Marshal(messages.EncTicketPart{
		Flags: types.NewKrbFlags(), Key: a.key, CRealm: realm, CName: a.client,
		AuthTime: now, StartTime: now, EndTime: now.Add(time.Hour), RenewTill: now.Add(time.Hour),
	})
	a.must(err)
	serviceKey, _, err := a.keys.GetEncryptionKey(name, realm, 1, etype)
	a.must(err)
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(plain, asnAppTag.EncTicketPart), serviceKey, keyusage.KDC_REP_TICKET, 1)
	a.must(err)
	a.ticket = messages.Ticket{TktVNO: 5, Realm: realm, SName: name, EncPart: sealed}
	return a
}

// newKey makes a random key. The library has one for that, which gets the
// length of aes256-cts-hmac-sha384-192 wrong.
func newKey(etype int32) types.EncryptionKey {
	key := types.EncryptionKey{KeyType: etype, KeyValue: make([]byte, 32)}
	if etype == etypeID.AES128_CTS_HMAC_SHA1_96 || etype == etypeID.AES128_CTS_HMAC_SHA256_128 {
		key.KeyValue = key.KeyValue[:16]
	}
	_, _ = rand.Read(key.KeyValue)
	return key
}

func (a *acceptor) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// mechanism returns a client that holds the ticket.
func (a *acceptor) mechanism(authzID string) *gssapi.Mechanism {
	return gssapi.NewWithTicket(authzID, realm, a.client, a.ticket, a.key, nil)
}

// request reads the client's first token.
func (a *acceptor) request(token []byte) {
	a.t.Helper()
	kind, body, ok := gssapi.Unframe(token)
	if !ok || kind != gssapi.TokenAPReq {
		a.t.Fatalf("no AP-REQ: %x", token)
	}
	var request messages.APReq
	a.must(request.Unmarshal(body))
	if ok, err := request.Verify(a.keys, time.Minute, types.HostAddress{}, nil); !ok || err != nil {
		a.t.Fatalf("AP-REQ: %v, %v", ok, err)
	}
	a.authenticator = request.Authenticator
	sum := request.Authenticator.Cksum
	if sum.CksumType != 0x8003 || len(sum.Checksum) != 24 || binary.LittleEndian.Uint32(sum.Checksum) != 16 || binary.LittleEndian.Uint32(sum.Checksum[20:]) != 2|32 {
		a.t.Errorf("RFC 4121 §4.1.1: checksum %d %x", sum.CksumType, sum.Checksum)
	}
	if !types.IsFlagSet(&request.APOptions, 2) {
		a.t.Error("RFC 4120 §5.5.1: mutual-required is not set")
	}
}

// reply is the AP-REP, changed at will before it is encrypted.
func (a *acceptor) reply(subkey bool, change func(*messages.EncAPRepPart)) []byte {
	a.t.Helper()
	part := messages.EncAPRepPart{CTime: a.authenticator.CTime, Cusec: a.authenticator.Cusec, SequenceNumber: 7}
	session := a.key
	if subkey {
		part.Subkey = newKey(a.key.KeyType)
		a.key, a.subkey = part.Subkey, true
	}
	if change != nil {
		change(&part)
	}
	plain, err := asn1.Marshal(part)
	a.must(err)
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(plain, asnAppTag.EncAPRepPart), session, keyusage.AP_REP_ENCPART, 0)
	a.must(err)
	body, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	a.must(err)
	return gssapi.Frame(gssapi.TokenAPRep, asn1tools.AddASNAppTag(body, asnAppTag.APREP))
}

// wrap protects a message as the acceptor does, its end rotated to the front.
func (a *acceptor) wrap(payload []byte, rotation int) []byte {
	a.t.Helper()
	flags := byte(1)
	if a.subkey {
		flags |= 4
	}
	token := gssapi.Wrap(flags, 7, payload, a.checksum(flags, 7, payload, keyusage.GSSAPI_ACCEPTOR_SEAL))
	body := token[16:]
	cut := len(body) - rotation%len(body)
	binary.BigEndian.PutUint16(token[6:], uint16(rotation))
	return append(token[:16:16], append(bytes.Clone(body[cut:]), body[:cut]...)...)
}

// unwrap reads what the client has wrapped.
func (a *acceptor) unwrap(token []byte) []byte {
	a.t.Helper()
	flags, sequence, payload, sum, ok := gssapi.ParseWrap(token)
	if !ok || flags&1 != 0 || flags&4 != 0 != a.subkey || sequence != uint64(a.authenticator.SeqNumber) {
		a.t.Fatalf("wrap token flags %x, sequence %d of %d", flags, sequence, a.authenticator.SeqNumber)
	}
	if !bytes.Equal(sum, a.checksum(flags, sequence, payload, keyusage.GSSAPI_INITIATOR_SEAL)) {
		a.t.Error("checksum of the client's wrap token")
	}
	return payload
}

func (a *acceptor) checksum(flags byte, sequence uint64, payload []byte, usage uint32) []byte {
	a.t.Helper()
	etype, err := crypto.GetEtype(a.key.KeyType)
	a.must(err)
	sum, err := etype.GetChecksumHash(a.key.KeyValue, append(bytes.Clone(payload), gssapi.WrapHeader(flags, sequence)...), usage)
	a.must(err)
	return sum
}
