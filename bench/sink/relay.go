package sink

import (
	"errors"
	"net"
	"time"
)

// Relay passes on what it is given, later: a network with a delay and no other fault.
// A connection is made without delay.
type Relay struct {
	To     string        // the server behind it
	OneWay time.Duration // half a round trip
}

// Serve relays until the listener is closed.
func (r *Relay) Serve(l net.Listener) error {
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		server, err := net.Dial("tcp", r.To)
		if err != nil {
			client.Close()
			return err
		}
		go r.pass(server, client)
		go r.pass(client, server)
	}
}

// piece is what was read at once, and when it is due. An empty one is the end.
type piece struct {
	due  time.Time
	data []byte
}

func (r *Relay) pass(to, from net.Conn) {
	line := make(chan piece, 4096)
	go func() {
		for p := range line {
			time.Sleep(time.Until(p.due))
			if len(p.data) == 0 {
				break
			}
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		to.Close()
		for range line { // the reader must not be stuck
		}
	}()
	defer close(line)
	buf := make([]byte, 256<<10)
	for {
		n, err := from.Read(buf)
		due := time.Now().Add(r.OneWay)
		if n > 0 {
			line <- piece{due, append([]byte(nil), buf[:n]...)}
		}
		if err != nil {
			line <- piece{due: due}
			return
		}
	}
}
