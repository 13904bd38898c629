// Package load is what every client under measurement has in common: the flags
// that describe a load, the way its cost is measured, and the one JSON line that
// tells it. It is the protocol of `parley bench`, so that the harness runs a peer,
// a program in C and Parley itself in the same manner.
package load

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// Modes of a dialogue.
const (
	Plain     = "plain"     // a round trip for each command
	Pipelined = "pipelined" // MAIL, RCPT and DATA in one write
	Chunked   = "chunked"   // MAIL, RCPT, BDAT and the content in one write
)

// When TLS begins.
const (
	NoTLS       = "none"
	StartTLS    = "starttls"
	ImplicitTLS = "implicit"
)

// Load says what is sent, and where.
type Load struct {
	Addr      string // HOST:PORT
	Messages  int    // over all sessions together
	Size      int    // octets of a message, if there is no BodyFile
	Rcpts     int    // recipients of a message
	Sessions  int    // at once
	Mode      string // Plain, Pipelined or Chunked
	Inflight  int    // messages unanswered on a session
	BodyFile  string // the message: CRLF line ends, not dot-stuffed
	Reconnect bool   // a session for each message
	TLS       string // NoTLS, StartTLS or ImplicitTLS
	CA        string // trust this authority, a PEM file
	Resume    bool   // resume TLS sessions
	Hold      bool   // open the sessions, send nothing
	Endpoints int    // that the messages go to in turn, for the client that has no network; 0: 1

	cache tls.ClientSessionCache
}

// Parse reads the flags, which are those of `parley bench`.
func Parse(args []string) (*Load, error) {
	l := &Load{}
	f := flag.NewFlagSet("client", flag.ContinueOnError)
	f.StringVar(&l.Addr, "addr", "", "the server: HOST:PORT")
	f.IntVar(&l.Messages, "messages", 1000, "how many messages, over all sessions together")
	f.IntVar(&l.Size, "size", 4096, "octets of a message")
	f.IntVar(&l.Rcpts, "rcpts", 1, "recipients of a message")
	f.IntVar(&l.Sessions, "sessions", 1, "sessions at once")
	f.StringVar(&l.Mode, "mode", Plain, "plain, pipelined or chunked")
	f.IntVar(&l.Inflight, "inflight", 1, "messages unanswered on a session")
	f.StringVar(&l.BodyFile, "body-file", "", "the message, instead of --size octets")
	f.BoolVar(&l.Reconnect, "reconnect", false, "a session for each message")
	f.StringVar(&l.TLS, "tls", NoTLS, "none, starttls or implicit")
	f.StringVar(&l.CA, "ca", "", "trust this authority, a PEM file")
	f.BoolVar(&l.Resume, "resume", false, "resume TLS sessions")
	f.IntVar(&l.Endpoints, "endpoints", 0, "endpoints that the messages go to in turn, for the client that has no network")
	f.BoolVar(&l.Hold, "hold", false, "open the sessions, send nothing, and print what they cost")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if l.Addr == "" || l.Messages < 1 || l.Size < 1 || l.Rcpts < 1 || l.Sessions < 1 || l.Inflight < 1 || f.NArg() > 0 {
		return nil, errors.New("load: --addr is needed, and every count is at least 1")
	}
	return l, nil
}

// Args is the load as flags. The flags that are not common to all clients are left out
// where they say nothing.
func (l *Load) Args() []string {
	a := []string{
		"--addr", l.Addr, "--messages", fmt.Sprint(l.Messages), "--size", fmt.Sprint(l.Size), "--rcpts", fmt.Sprint(l.Rcpts),
		"--sessions", fmt.Sprint(l.Sessions), "--mode", l.Mode, "--inflight", fmt.Sprint(l.Inflight),
	}
	if l.BodyFile != "" {
		a = append(a, "--body-file", l.BodyFile)
	}
	if l.Endpoints > 1 {
		a = append(a, "--endpoints", fmt.Sprint(l.Endpoints))
	}
	if l.TLS != "" && l.TLS != NoTLS {
		a = append(a, "--tls", l.TLS, "--ca", l.CA)
	}
	for _, s := range []struct {
		on   bool
		name string
	}{{l.Reconnect, "--reconnect"}, {l.Resume, "--resume"}, {l.Hold, "--hold"}} {
		if s.on {
			a = append(a, s.name)
		}
	}
	return a
}

// Content is the message: CRLF line ends, the last line ended, not dot-stuffed.
func (l *Load) Content() ([]byte, error) {
	if l.BodyFile != "" {
		return os.ReadFile(l.BodyFile)
	}
	return Text(l.Size), nil
}

// Text is a message of so many octets, at least 64, in lines such as people write.
func Text(size int) []byte {
	var b bytes.Buffer
	WriteText(&b, size) // a buffer takes everything
	return b.Bytes()
}

// WriteText writes what Text returns, piece by piece.
func WriteText(w io.Writer, size int) error {
	const head = "Subject: a message to be measured\r\n\r\n"
	const line = "A line of text as people write them; seventy-odd octets, with its end\r\n"
	out := bufio.NewWriter(w)
	out.WriteString(head)
	left := max(size, 64) - len(head)
	for ; left >= 2*len(line); left -= len(line) {
		out.WriteString(line)
	}
	out.WriteString(strings.Repeat("x", left-len("\r\n")) + "\r\n")
	return out.Flush()
}

// Sender and Recipients are the envelope.
func (l *Load) Sender() string { return "sender@client.example" }

// Recipients returns Rcpts mailboxes.
func (l *Load) Recipients() []string {
	r := make([]string, l.Rcpts)
	for i := range r {
		r[i] = fmt.Sprintf("recipient%d@mx.example", i)
	}
	return r
}

// TLSConfig is for a client over crypto/tls.
func (l *Load) TLSConfig() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(l.Addr)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(l.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bytes.TrimSpace(pem)) {
		return nil, fmt.Errorf("load: no certificate in %q", l.CA)
	}
	c := &tls.Config{ServerName: host, RootCAs: pool, MinVersion: tls.VersionTLS12}
	if l.Resume {
		if l.cache == nil {
			l.cache = tls.NewLRUClientSessionCache(16)
		}
		c.ClientSessionCache = l.cache
	}
	return c, nil
}
