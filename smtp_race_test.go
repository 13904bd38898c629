package parley_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
)

// What may be called at any time from anywhere is true while methods run: an object that is
// asked is never both idle and inside a handler.
func TestAskedFromElsewhere(t *testing.T) {
	s, peer := class(t, nil)
	secure(s, peer)
	s.LogSSLPackets = true
	for _, kept := range []bool{false, true} {
		s.QueueEvents = kept
		s.OnSSLStatus = func(*events.SSLStatus) {}
		s.OnPITrail = func(*events.PITrail) {
			if !kept && s.Idle() {
				t.Error("idle within a handler")
			}
		}
		stop := make(chan struct{})
		var asking sync.WaitGroup
		for range 4 {
			asking.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					s.Connected()
					s.Idle()
					s.LastReply()
					s.TransferText()
					s.SSLServerCert()
					s.SSLNegotiatedVersion()
					s.DoEvents()
					if _, err := s.Config("Connected"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 20 {
			if err := s.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !s.Connected() {
				t.Error("not connected after Connect")
			}
			if _, err := s.Send(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Disconnect(t.Context()); err != nil || s.Connected() {
				t.Errorf("%v, connected %v", err, s.Connected())
			}
		}
		close(stop)
		asking.Wait()
	}
}

// Interrupt from another goroutine, at whatever moment, leaves an object that works.
func TestInterruptedFromElsewhere(t *testing.T) {
	s, peer := class(t, nil)
	for range 50 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Interrupt()
		}()
		result, err := s.Send(t.Context())
		<-done
		if err != nil && !errors.Is(err, parley.ErrInterrupted) {
			t.Fatalf("%+v, %v", result, err)
		}
		if err != nil && s.Connected() {
			t.Fatal("interrupted and connected")
		}
	}
	s.MessageId = "*"
	send(t, s, peer)
}

// No method runs inside another one.
func TestNotWithinHandlers(t *testing.T) {
	s, peer := class(t, nil)
	ctx := context.Background()
	calls := map[string]func() error{
		"Connect":                func() error { return s.Connect(ctx) },
		"Disconnect":             func() error { return s.Disconnect(ctx) },
		"Send":                   func() error { _, err := s.Send(ctx); return err },
		"SendToTerminalOnly":     func() error { _, err := s.SendToTerminalOnly(ctx); return err },
		"SendToTerminalOrEmail":  func() error { _, err := s.SendToTerminalOrEmail(ctx); return err },
		"SendToTerminalAndEmail": func() error { _, err := s.SendToTerminalAndEmail(ctx); return err },
		"Verify":                 func() error { _, err := s.Verify(ctx, "b"); return err },
		"Expand":                 func() error { _, err := s.Expand(ctx, "b"); return err },
		"Command":                func() error { _, err := s.Command(ctx, "NOOP"); return err },
		"Reset":                  func() error { return s.Reset(ctx) },
		"Queue":                  func() error { _, err := s.Queue(ctx, t.TempDir()); return err },
		"ProcessQueue":           func() error { return s.ProcessQueue(ctx, t.TempDir()) },
		"Config":                 func() error { _, err := s.Config("Hello=x.example"); return err },
	}
	tried := false
	s.OnPITrail = func(*events.PITrail) {
		if tried {
			return
		}
		tried = true
		for name, call := range calls {
			if err := call(); !errors.Is(err, parley.ErrBusy) || parley.ErrorCode(err) != 166 {
				t.Errorf("%s within a handler: %v", name, err)
			}
		}
	}
	if send(t, s, peer); !tried {
		t.Error("no handler was called")
	}
}

// A zero object sends, as plainly as can be.
func TestZero(t *testing.T) {
	_, peer := class(t, nil)
	var s parley.SMTP
	s.Dialer, s.MailServer, s.From, s.SendTo, s.MessageText = peer, "mx.example", "a@x.example", "b@y.example", "hi\r\n"
	if got := send(t, &s, peer); body(got.Content) != "hi\r\n" || got.Params != "" {
		t.Errorf("%+v", got)
	}
}
