package run

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/parley-mail/parley/bench/sink"
)

// listening is the first line that a sink prints.
type listening struct {
	Addr    string `json:"addr"`
	TLSAddr string `json:"tls_addr"`
	CA      string `json:"ca"` // a PEM file
}

// sinkProcess is a sink in a process of its own.
type sinkProcess struct {
	listening
	cmd *exec.Cmd
	ask io.WriteCloser
	out *bufio.Scanner
}

func startSink(ctx context.Context, self, dir string, cpu int, startTLS bool) (*sinkProcess, error) {
	s := &sinkProcess{cmd: exec.CommandContext(ctx, self, "sink", "--ca-out", filepath.Join(dir, "ca.pem"), "--starttls="+strconv.FormatBool(startTLS))}
	s.cmd.Stderr = os.Stderr
	var err error
	if s.ask, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewScanner(out)
	if err := startOn(s.cmd, cpu); err != nil {
		return nil, err
	}
	if err := s.line(&s.listening); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *sinkProcess) line(to any) error {
	if !s.out.Scan() {
		return errSink
	}
	return json.Unmarshal(s.out.Bytes(), to)
}

func (s *sinkProcess) stats() (st sink.Stats, err error) {
	defer time.AfterFunc(patience, func() { s.cmd.Process.Kill() }).Stop()
	if _, err := fmt.Fprintln(s.ask); err != nil {
		return st, errSink
	}
	return st, s.line(&st)
}

// stop ends the sink: it stops when nobody can ask it any more.
func (s *sinkProcess) stop() {
	s.ask.Close()
	s.cmd.Wait()
}

// Sink is the process that startSink starts.
func Sink(in io.Reader, out io.Writer, addr, tlsAddr, caOut string, startTLS bool) error {
	s := &sink.Server{StartTLS: startTLS}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer l.Close()
	said := listening{Addr: l.Addr().String(), CA: caOut}
	if caOut != "" {
		implicit, err := secure(s, tlsAddr, caOut)
		if err != nil {
			return err
		}
		defer implicit.Close()
		said.TLSAddr = implicit.Addr().String()
		go s.Serve(implicit, true)
	}
	go s.Serve(l, false)
	if err := json.NewEncoder(out).Encode(said); err != nil {
		return err
	}
	return s.Control(in, out)
}

// secure makes a certificate and listens with it.
func secure(s *sink.Server, addr, caOut string) (net.Listener, error) {
	config, authority, err := sink.Config()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(caOut, authority, 0o644); err != nil {
		return nil, err
	}
	s.TLS = config
	return net.Listen("tcp", addr)
}
