package sink_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/internal/smtptest"
	"github.com/parley-mail/parley/transport/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play plays the client's side of a script against one session of the server.
func play(t *testing.T, srv *sink.Server, script string) {
	t.Helper()
	playTLS(t, srv, script, nil)
}

func playTLS(t *testing.T, srv *sink.Server, script string, conf *tls.Config) {
	t.Helper()
	s, err := smtptest.Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, server := mem.Pipe(mem.Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.ServeConn(ctx, server)
	}()
	if err := s.Dial(ctx, client, conf); err != nil {
		t.Errorf("the server left the script: %v", err)
	}
	<-done
}

// hello is the opening of a script, EHLO and its keywords behind it.
func hello(keywords ...string) string {
	var b strings.Builder
	b.WriteString("S: 220 mx.example ESMTP {any}\nC: EHLO client.example\n")
	lines := append([]string{"mx.example greets you"}, keywords...)
	for i, k := range lines {
		mark := "-"
		if i == len(lines)-1 {
			mark = " "
		}
		b.WriteString("S: 250" + mark + k + "\n")
	}
	return b.String()
}

// server returns a server with the extensions named.
func server(t *testing.T, extensions string) *sink.Server {
	t.Helper()
	x, err := sink.ParseExtensions(extensions)
	if err != nil {
		t.Fatal(err)
	}
	return &sink.Server{Name: "mx.example", Extensions: x}
}

// withTLS gives the server a certificate and returns what a client needs.
func withTLS(t *testing.T, srv *sink.Server) *tls.Config {
	t.Helper()
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(certs.Options{Hosts: []string{"mx.example"}})
	if err != nil {
		t.Fatal(err)
	}
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	return &tls.Config{RootCAs: ca.Pool(), ServerName: "mx.example"}
}

const quit = "\nC: QUIT\nS: 221 {any}\nX: eof\n"
