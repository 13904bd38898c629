package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// The three servers here really connect to what they are asked for.

// mail is the target: it greets and answers one line.
func mail(t *testing.T) *peer {
	return listen(t, func(nc net.Conn) {
		_, _ = io.WriteString(nc, greeting)
		line, err := bufio.NewReader(nc).ReadString('\n')
		if err == nil {
			_, _ = io.WriteString(nc, "250 "+line)
		}
	})
}

// open connects for a proxy. Names are made up: every target is on this machine.
func open(client net.Conn, host string, port int, ok, failed string) {
	if net.ParseIP(host) == nil {
		host = "127.0.0.1"
	}
	up, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		_, _ = io.WriteString(client, failed)
		return
	}
	defer up.Close()
	_, _ = io.WriteString(client, ok)
	splice(client, up)
}

func socks4Server(t *testing.T) *peer {
	return listen(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		var head [8]byte
		if _, err := io.ReadFull(br, head[:]); err != nil || head[0] != 4 || head[1] != 1 {
			return
		}
		if _, err := br.ReadString(0); err != nil {
			return
		}
		host := net.IP(head[4:8]).String()
		if head[4]|head[5]|head[6] == 0 && head[7] != 0 {
			name, err := br.ReadString(0)
			if err != nil {
				return
			}
			host = name[:len(name)-1]
		}
		open(nc, host, int(head[2])<<8|int(head[3]), "\x00\x5a\x01\x02\x03\x04\x05\x06", "\x00\x5b\x00\x00\x00\x00\x00\x00")
	})
}

// socks5Server wants the user and password given, if any.
func socks5Server(t *testing.T, user, password string) *peer {
	return listen(t, func(nc net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(nc, b); err != nil {
				return make([]byte, n)
			}
			return b
		}
		methods := read(int(read(2)[1]))
		switch {
		case user == "":
			_, _ = nc.Write([]byte{5, 0})
		case methods[len(methods)-1] != 2:
			_, _ = nc.Write([]byte{5, 0xff})
			return
		default:
			_, _ = nc.Write([]byte{5, 2})
			u := string(read(int(read(2)[1])))
			p := string(read(int(read(1)[0])))
			if u != user || p != password {
				_, _ = nc.Write([]byte{1, 1})
				return
			}
			_, _ = nc.Write([]byte{1, 0})
		}
		var host string
		switch read(4)[3] {
		case 1:
			host = net.IP(read(4)).String()
		case 3:
			host = string(read(int(read(1)[0])))
		case 4:
			host = net.IP(read(16)).String()
		}
		port := read(2)
		open(nc, host, int(port[0])<<8|int(port[1]), "\x05\x00\x00\x03\x09localhost\x04\x38", "\x05\x04\x00\x03\x01x\x00\x00")
	})
}

// answer is what an HTTP proxy says to a request; "" opens the tunnel.
type answer func(n int, authorization string) string

// httpServer is an HTTP proxy. n counts the requests of one connection.
func httpServer(t *testing.T, judge answer) *peer {
	return listen(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		for n := 1; ; n++ {
			r, err := http.ReadRequest(br)
			if err != nil || r.Method != http.MethodConnect || r.Host != r.RequestURI {
				return
			}
			if no := judge(n, r.Header.Get("Proxy-Authorization")); no != "" {
				_, _ = io.WriteString(nc, no)
				if no[len(no)-1] == '!' { // the body's mark for closing
					return
				}
				continue
			}
			host, port, _ := net.SplitHostPort(r.Host)
			p, _ := strconv.Atoi(port)
			open(nc, host, p, "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.1 503 No\r\n\r\n!")
			return
		}
	})
}

// wants is a 407 with challenges that keeps the connection.
func wants(challenges ...string) string {
	s := "HTTP/1.1 407 Proxy Authentication Required\r\n"
	for _, c := range challenges {
		s += "Proxy-Authenticate: " + c + "\r\n"
	}
	return s + "Content-Length: 4\r\n\r\nbody"
}

// wantsAndCloses is the same in the manner of HTTP/1.0.
func wantsAndCloses(challenges ...string) string {
	s := "HTTP/1.0 407 Proxy Authentication Required\r\n"
	for _, c := range challenges {
		s += "Proxy-Authenticate: " + c + "\r\n"
	}
	return s + "\r\nbody!"
}

// talk speaks with the mail server through a tunnel.
func talk(t *testing.T, nc net.Conn) {
	t.Helper()
	defer nc.Close()
	if _, err := io.WriteString(nc, "NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(nc)
	if want := greeting + "250 NOOP\r\n"; err != nil || string(got) != want {
		t.Errorf("dialogue %q, %v; want %q", got, err, want)
	}
}

// chunked is a body in two chunks with a trailer.
func chunked(head string) string {
	return head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x;ext=1\r\n%s\r\n3\r\nend\r\n0\r\nTrailer: x\r\n\r\n", 5, "start")
}
