//go:build unix

package peers

import (
	"crypto/tls"
	"io"
	"net"
)

// tlsFront listens for TLS and passes the octets on in clear.
func tlsFront(site *Site, to string) (net.Listener, error) {
	cert, err := tls.LoadX509KeyPair(site.Host.Chain, site.Host.Key)
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go join(c, to)
		}
	}()
	return l, nil
}

// join copies both ways until either side ends.
func join(c net.Conn, to string) {
	defer c.Close()
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	done := make(chan struct{}, 2)
	pass := func(dst io.Writer, src io.Reader) {
		_, _ = io.Copy(dst, src)
		done <- struct{}{}
	}
	go pass(up, c)
	go pass(c, up)
	<-done
}
