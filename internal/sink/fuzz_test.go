package sink_test

import (
	"context"
	"io"
	"regexp"
	"testing"

	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/transport/mem"
)

var replyLine = regexp.MustCompile(`\A(?:[2345][0-5][0-9][ -][\x20-\x7E]{0,505}\r\n)*\z`)

// Whatever a client sends, the session ends when the client does, and what it was
// told is whole lines of printable ASCII, each with a code.
func FuzzSession(f *testing.F) {
	f.Add([]byte("EHLO x\r\nMAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<c@d>\r\nDATA\r\n..\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nBDAT 2\r\nabBDAT 0 LAST\r\nRSET\r\n"))
	f.Add([]byte("EHLO x\r\nAUTH PLAIN\r\nAHUAcA==\r\nAUTH CRAM-MD5\r\n*\r\nVRFY joe\r\nEXPN staff\r\nHELP\r\n"))
	f.Add([]byte("LHLO x\r\nMAIL FROM:<\"a\\>\"@b> BY=1;R\r\nRCPT TO:<@a:b@[IPv6:::1]> ORCPT=x;y NOTIFY=NEVER\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, lmtp := range []bool{false, true} {
			srv := &sink.Server{
				LMTP: lmtp, Tolerance: sink.InputAhead, CheckContent: true, Store: &sink.Memory{},
				Auth:      sink.Auth{Users: map[string]string{"u": "p"}, Clear: true, Mechanisms: []string{"PLAIN", "CRAM-MD5"}},
				Directory: sink.Directory{Mailboxes: []string{"joe@x"}, Lists: map[string][]string{"staff": {"joe@x"}}},
			}
			client, server := mem.Pipe(mem.Options{Buffer: 1 << 20})
			done := make(chan struct{})
			go func() { defer close(done); srv.ServeConn(context.Background(), server) }()
			client.Write(wire)
			client.CloseWrite()
			said, _ := io.ReadAll(client)
			client.Close()
			<-done
			if !replyLine.Match(said) {
				t.Fatalf("%q", said)
			}
			if s := srv.Stats(); s.Open != 0 || s.Messages > 0 && s.Recipients == 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}
