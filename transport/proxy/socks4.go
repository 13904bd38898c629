package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/parley-mail/parley/transport"
)

// SOCKS4 is a SOCKS4 proxy. It knows IPv4 addresses only: names are looked up on
// this machine, IPv6 is refused.
type SOCKS4 struct {
	Addr     string             // "host" or "host:port"; default port 1080
	User     string             // user id, at most 255 octets; SOCKS4 has no password
	Resolver transport.Resolver // nil: net.DefaultResolver
	Timeout  time.Duration      // 0: DefaultTimeout
}

// SOCKS4A is a SOCKS4a proxy: SOCKS4 that looks names up itself.
type SOCKS4A struct {
	Addr    string        // "host" or "host:port"; default port 1080
	User    string        // user id, at most 255 octets
	Timeout time.Duration // 0: DefaultTimeout
}

const socksPort = 1080

// String returns the stage as a URL.
func (s SOCKS4) String() string { return stageURL(KindSOCKS4, s.Addr, s.User) }

// String returns the stage as a URL.
func (s SOCKS4A) String() string { return stageURL(KindSOCKS4A, s.Addr, s.User) }

// DialThrough implements [Stage]. A name with several addresses is tried at each of
// them, up to 8.
func (s SOCKS4) DialThrough(ctx context.Context, forward Dialer, network, address string) (net.Conn, error) {
	a := &attempt{kind: KindSOCKS4, addr: s.Addr, target: address}
	t, err := a.checkSOCKS4(s.Addr, s.User, network, address)
	if err != nil {
		return nil, a.fail(ReasonArgument, err)
	}
	if network == "tcp6" && !t.ip.IsValid() {
		return nil, a.fail(ReasonArgument, errors.New("SOCKS4 has no IPv6 addresses and tcp6 was asked for"))
	}
	list, err := a.resolve(ctx, s.Resolver, "tcp4", t, s.Timeout)
	if err != nil {
		return nil, err
	}
	return firstOf(list, func(t target) (net.Conn, error) {
		if err := checkMark(t.ip); err != nil { // what a name resolves to is another's choice
			return nil, a.fail(ReasonAddressUnsupported, err)
		}
		return a.socks4(ctx, forward, network, s.User, t, s.Timeout)
	})
}

// DialThrough implements [Stage].
func (s SOCKS4A) DialThrough(ctx context.Context, forward Dialer, network, address string) (net.Conn, error) {
	a := &attempt{kind: KindSOCKS4A, addr: s.Addr, target: address}
	t, err := a.checkSOCKS4(s.Addr, s.User, network, address)
	if err != nil {
		return nil, a.fail(ReasonArgument, err)
	}
	return a.socks4(ctx, forward, network, s.User, t, s.Timeout)
}

func (a *attempt) checkSOCKS4(addr, user, network, address string) (target, error) {
	addr, err := endpoint(addr, socksPort)
	if err != nil {
		return target{}, err
	}
	a.addr = addr
	if err := checkSecret("user id", user, 0, 255); err != nil {
		return target{}, err
	}
	t, err := parseTarget(network, address)
	if err != nil {
		return target{}, err
	}
	if t.ip.Is6() {
		return target{}, errors.New("SOCKS4 has no IPv6 addresses")
	}
	if t.ip.IsValid() {
		return t, checkMark(t.ip)
	}
	return t, nil
}

// checkMark refuses the addresses behind which a SOCKS4a proxy waits for a name.
func checkMark(ip netip.Addr) error {
	if b := ip.As4(); b[0]|b[1]|b[2] == 0 {
		return fmt.Errorf("%s is how SOCKS4a marks that a name follows", ip)
	}
	return nil
}

// socks4 asks for a literal, or by SOCKS4a for a name.
func (a *attempt) socks4(ctx context.Context, forward Dialer, network, user string, t target, timeout time.Duration) (net.Conn, error) {
	ip, name := t.ip, ""
	if !ip.IsValid() {
		ip, name = netip.AddrFrom4([4]byte{0, 0, 0, 1}), t.host
	}
	request := []byte{4, 1}
	request = binary.BigEndian.AppendUint16(request, t.port)
	request = append(request, ip.AsSlice()...)
	request = append(append(request, user...), 0)
	if name != "" {
		request = append(append(request, name...), 0)
	}
	return a.open(ctx, forward, network, timeout, func(_ context.Context, nc net.Conn) (net.Conn, error) {
		a.op = OpConnect
		if _, err := nc.Write(request); err != nil {
			return nil, err
		}
		return nc, a.readSOCKS4(nc)
	})
}

// readSOCKS4 reads the answer: eight octets, and not one more, for what comes next
// is the tunnel's.
func (a *attempt) readSOCKS4(r io.Reader) error {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return err
	}
	if b[0] != 0 {
		return a.refused(ReasonBadReply, 0, string(b[:2]))
	}
	switch code := int(b[1]); code {
	case 90:
		_, err := io.ReadFull(r, b[2:])
		return err
	case 91:
		return a.refused(ReasonRefused, code, "")
	case 92, 93:
		e := a.refused(ReasonAuthFailed, code, "")
		e.Err = errors.New([]string{"the proxy found no identd here", "identd tells another user id"}[code-92])
		return e
	default:
		e := a.refused(ReasonBadReply, code, "")
		e.Err = errors.New("no such SOCKS4 reply code: " + strconv.Itoa(code))
		return e
	}
}
