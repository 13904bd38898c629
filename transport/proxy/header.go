package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Header is the first thing said on a connection to a server that sits behind a
// balancer: the PROXY protocol, version 1 (a line) or 2 (binary). It tells the
// server between which addresses the session is. A Header is a [Stage] without a
// proxy: it dials its target by what is before it, and belongs last in a [Chain].
// Where that fails, the error is that of what is before it.
type Header struct {
	// Source and Destination are the two ends, both IPv4 or both IPv6. If neither is
	// set, the header says that nothing is known: "UNKNOWN", or the LOCAL command.
	Source, Destination netip.AddrPort

	Version uint8         // 1 or 2; 0: 1
	Timeout time.Duration // for writing it; 0: DefaultTimeout
}

// v2Signature starts a header of version 2: no line of any text protocol does.
const v2Signature = "\r\n\r\n\x00\r\nQUIT\n"

// DialThrough implements [Stage].
func (h Header) DialThrough(ctx context.Context, forward Dialer, network, address string) (net.Conn, error) {
	a := &attempt{kind: KindHeader, addr: address}
	header, err := h.Append(nil)
	if err != nil {
		return nil, a.fail(ReasonArgument, err)
	}
	return a.open(ctx, forward, network, h.Timeout, func(_ context.Context, nc net.Conn) (net.Conn, error) {
		a.op = OpHeader
		_, err := nc.Write(header)
		return nc, err
	})
}

// Append appends the header in its wire form.
func (h Header) Append(dst []byte) ([]byte, error) {
	source, destination := unmap(h.Source), unmap(h.Destination)
	known := source.IsValid() && destination.IsValid()
	switch {
	case source.IsValid() != destination.IsValid():
		return dst, errors.New("PROXY header: one of source and destination is missing")
	case known && source.Addr().Is4() != destination.Addr().Is4():
		return dst, fmt.Errorf("PROXY header: %s and %s are not of one family", source, destination)
	}
	switch h.Version {
	case 0, 1:
		return appendV1(dst, source, destination, known), nil
	case 2:
		return appendV2(dst, source, destination, known), nil
	}
	return dst, fmt.Errorf("PROXY header: no version %d", h.Version)
}

// unmap drops what a socket of this machine may add to an address.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func appendV1(dst []byte, source, destination netip.AddrPort, known bool) []byte {
	if !known {
		return append(dst, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP4"
	if source.Addr().Is6() {
		family = "TCP6"
	}
	return fmt.Appendf(dst, "PROXY %s %s %s %d %d\r\n",
		family, source.Addr(), destination.Addr(), source.Port(), destination.Port())
}

func appendV2(dst []byte, source, destination netip.AddrPort, known bool) []byte {
	const (
		local, proxied = 0x20, 0x21 // version 2 and the command
		tcp4, tcp6     = 0x11, 0x21
	)
	dst = append(dst, v2Signature...)
	if !known {
		return append(dst, local, 0, 0, 0)
	}
	family := byte(tcp4)
	if source.Addr().Is6() {
		family = tcp6
	}
	dst = append(dst, proxied, family)
	dst = binary.BigEndian.AppendUint16(dst, uint16(2*source.Addr().BitLen()/8+4))
	dst = append(append(dst, source.Addr().AsSlice()...), destination.Addr().AsSlice()...)
	dst = binary.BigEndian.AppendUint16(dst, source.Port())
	return binary.BigEndian.AppendUint16(dst, destination.Port())
}
