//go:build interop

package interop_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/interop/peers"
)

// TestProxies reaches an SMTP server through every port of every proxy.
func TestProxies(t *testing.T) {
	sink := long(t, peers.NewSMTPSink())
	site := start(t, sink)
	for _, p := range peers.Proxies() {
		t.Run(p.Name(), func(t *testing.T) {
			startProxy(t, p, site)
			for _, kind := range p.Kinds() {
				checkProxy(t, p, kind, site, sink.Addr(peers.SMTP))
			}
		})
	}
}

// startProxy runs a proxy for the length of a test.
func startProxy(t *testing.T, p *peers.Proxy, site *peers.Site) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Start(ctx, site); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(p.Log())
		}
	})
}

func checkProxy(t *testing.T, p *peers.Proxy, kind peers.Kind, site *peers.Site, target string) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr(kind))
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
		return
	}
	if kind == peers.ConnectTLS {
		c = tls.Client(c, &tls.Config{RootCAs: site.Roots(), ServerName: peers.Host})
	}
	r := bufio.NewReader(c)
	want := "220"
	switch kind {
	case peers.SOCKS4, peers.SOCKS4A:
		err = socks4(c, r, target, kind == peers.SOCKS4A)
	case peers.SOCKS5, peers.SOCKS5Auth:
		err = socks5(c, r, target, kind == peers.SOCKS5Auth)
	case peers.Connect, peers.ConnectTLS:
		err = connect(c, r, target, "", "")
	case peers.BasicAuth:
		err = connect(c, r, target, "Basic "+base64.StdEncoding.EncodeToString([]byte(peers.ProxyUser.User+":"+peers.ProxyUser.Password)), "")
	case peers.DigestAuth:
		err, want = connect(c, r, target, "", "Digest"), ""
	case peers.NTLMAuth:
		err, want = connect(c, r, target, "", "NTLM"), ""
	case peers.EveryScheme:
		err, want = connect(c, r, target, "", "Basic Digest NTLM"), ""
	default:
		err = fmt.Errorf("no way to speak %s", kind)
	}
	if err == nil && want != "" {
		var line string
		if line, err = r.ReadString('\n'); err == nil && !strings.HasPrefix(line, want) {
			err = fmt.Errorf("greeting %q", line)
		}
	}
	if err != nil {
		t.Errorf("%s %s: %v", p.Name(), kind, err)
	}
}

func socks4(c net.Conn, r *bufio.Reader, target string, byName bool) error {
	host, port := split(target)
	request := binary.BigEndian.AppendUint16([]byte{4, 1}, port)
	if byName {
		request = append(request, 0, 0, 0, 1, 'm', 'e', 0)
		request = append(append(request, "localhost"...), 0)
	} else {
		request = append(append(request, net.ParseIP(host).To4()...), 'm', 'e', 0)
	}
	return exchange(c, r, request, []byte{0, 90}, 6)
}

func socks5(c net.Conn, r *bufio.Reader, target string, auth bool) error {
	host, port := split(target)
	if auth {
		u := peers.ProxyUser
		if err := exchange(c, r, []byte{5, 1, 2}, []byte{5, 2}, 0); err != nil {
			return err
		}
		request := append([]byte{1, byte(len(u.User))}, u.User...)
		request = append(append(request, byte(len(u.Password))), u.Password...)
		if err := exchange(c, r, request, []byte{1, 0}, 0); err != nil {
			return err
		}
	} else if err := exchange(c, r, []byte{5, 1, 0}, []byte{5, 0}, 0); err != nil {
		return err
	}
	request := append([]byte{5, 1, 0, 1}, net.ParseIP(host).To4()...)
	return exchange(c, r, binary.BigEndian.AppendUint16(request, port), []byte{5, 0, 0, 1}, 6)
}

// exchange sends a request, demands the beginning of the answer and skips the rest.
func exchange(c net.Conn, r *bufio.Reader, request, want []byte, rest int64) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil {
		return err
	}
	if string(got) != string(want) {
		return fmt.Errorf("answer % x, want % x", got, want)
	}
	_, err := io.CopyN(io.Discard, r, rest)
	return err
}

// connect asks for a tunnel; with schemes it demands a 407 that offers exactly them.
func connect(c net.Conn, r *bufio.Reader, target, authorization, schemes string) error {
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if authorization != "" {
		request += "Proxy-Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	var offered []string
	for _, line := range answer.Header.Values("Proxy-Authenticate") {
		scheme, _, _ := strings.Cut(line, " ")
		offered = append(offered, scheme)
	}
	want := http.StatusOK
	if schemes != "" {
		want = http.StatusProxyAuthRequired
	}
	if answer.StatusCode != want || strings.Join(offered, " ") != schemes {
		return fmt.Errorf("%s, offers %q, want %d and %q", answer.Status, offered, want, schemes)
	}
	return nil
}

func split(target string) (host string, port uint16) {
	host, text, _ := net.SplitHostPort(target)
	n, _ := strconv.ParseUint(text, 10, 16)
	return host, uint16(n)
}
