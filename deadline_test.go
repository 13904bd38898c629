package parley_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/fsm"
)

// A deadline that was set for an earlier command does not take from the time that a later
// one has.
func TestDeadlineOfAnEarlierCommand(t *testing.T) {
	for after, ok := range map[time.Duration]bool{15 * time.Second: true, 25 * time.Second: false} {
		bubble(t, func(t *testing.T) {
			e := &parley.Endpoint{Address: "mx.example:25", Dialer: dialFunc(func() net.Conn { return tarrying(".", after) })}
			e.Patience = func(c fsm.Command) time.Duration {
				if c == fsm.EndOfData {
					return 20 * time.Second
				}
				return 10 * time.Second
			}
			c, err := parley.Dial(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			defer time.Sleep(after) // virtual: until the server is done too
			defer c.Close()
			tx := transaction(t, "a@x.example", "b@y.example")
			tx.Content = []byte("Subject: hi\r\n\r\n")
			begun := time.Now()
			err = c.Send(t.Context(), tx, nil)
			took := time.Since(begun)
			switch {
			case ok && (err != nil || took != after):
				t.Errorf("answered after %v: %v after %v", after, err, took)
			case !ok && (!errors.Is(err, parley.ErrTimeout) || took != 20*time.Second):
				t.Errorf("answered after %v: %v after %v", after, err, took)
			}
		})
	}
}
