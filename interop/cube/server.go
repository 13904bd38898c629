//go:build unix

package cube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/transport"
	"github.com/parley-mail/parley/transport/utls"
)

// Engines are the TLS engines that an endpoint can use, in the order in which tables show
// them; in clear there is only "".
func Engines(e *parley.Endpoint) []string {
	if e.TLS == parley.TLSNone {
		return []string{""}
	}
	return []string{"std", "utls"}
}

// Use has an endpoint use a TLS engine.
func Use(e *parley.Endpoint, engine string) {
	e.TLSConfig.Engine, e.TLSConfig.Engines = engine, []transport.TLSEngine{utls.Engine{}}
}

// Server is a peer and what is to be tried with it. Who starts it fills in Site and Logins.
type Server struct {
	Title   string
	Peer    peers.Peer
	Ports   []peers.Kind
	Imitate []peers.Kind // where hellos that are not the engine's own are tried; nil: nowhere

	Site   *peers.Site
	Logins []Login

	// NoTLS are ports whose handshakes the server is known to end. That is tried, and a
	// handshake that succeeds is a failure: the list is out of date.
	NoTLS []peers.Kind
	Bars  []Bar
}

// Bar is what a server offers and yet is none of its ways. It is tried once on each of the
// ports, with a message to somebody else, and must fail as it is known to.
type Bar struct {
	Kinds       []peers.Kind
	Login, Mode string // which of the cells there; "": all
	Why         string
	Err         error // that the trial must end with
}

func (b *Bar) holds(kind peers.Kind, l Login, m Mode) bool {
	return slices.Contains(b.Kinds, kind) && (b.Login == "" || b.Login == l.Mechanism) && (b.Mode == "" || b.Mode == m.Name)
}

// offer is what a port offers: extensions, or why it is of no use.
type offer struct {
	extensions *codec.Extensions
	why        string
	guard      string // how mail without a login is refused; "": it is taken
}

// Jobs makes the cells of a server: each of its ports with each login, mode and, where
// there is TLS, engine. The error is that a port is not what the peer says it is.
func (s *Server) Jobs(ctx context.Context) ([]Job, error) {
	var jobs []Job
	type trial struct {
		bar  *Bar
		kind peers.Kind
	}
	tried := map[trial]bool{}
	for _, kind := range s.Ports {
		o, err := s.offer(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", s.Peer.Name(), kind, err)
		}
		for _, l := range s.Logins {
			for _, m := range Modes {
				for _, engine := range Engines(Endpoint(s.Peer, s.Site, kind)) {
					j, err := s.job(kind, l, m, engine, o)
					if err != nil {
						return nil, err
					}
					bar := s.bar(kind, l, m)
					if j.Cell.Why == "" && bar != nil {
						j.Cell.Why = bar.Why
						if try := (trial{bar, kind}); !tried[try] {
							tried[try] = true
							if err := j.fails(ctx, bar.Err); err != nil {
								return nil, err
							}
						}
					}
					jobs = append(jobs, j)
				}
			}
		}
	}
	return jobs, nil
}

// Heads are over the rows of a server's table.
var Heads = []string{"port", "way", "login"}

func (s *Server) job(kind peers.Kind, l Login, m Mode, engine string, o *offer) (Job, error) {
	e := Endpoint(s.Peer, s.Site, kind)
	Use(e, engine)
	name := l.Mechanism
	if name == "" {
		name = noLogin
	}
	j := Job{
		Cell:     &Cell{Row: []string{string(kind), Way(e), name}, Column: m.Name, Engine: engine},
		Endpoint: e, Mode: m, Login: l.Mechanism,
	}
	if j.Cell.Why = s.why(e, kind, l, m, o); j.Cell.Why != "" {
		return j, nil
	}
	j.Limited = !o.extensions.EightBitMIME
	j.Small = o.extensions.MaxSize > 0 && o.extensions.MaxSize < 4*piece
	var err error
	if kind == peers.TLSClientCert {
		err = present(e, s.Site)
	}
	if err == nil {
		j.Done, err = l.Set(e, s.Site)
	}
	return j, err
}

// why is the reason why there is no such cell, or "".
func (s *Server) why(e *parley.Endpoint, kind peers.Kind, l Login, m Mode, o *offer) string {
	if o.why != "" {
		return o.why
	}
	if why := l.why(e, o.extensions); why != "" {
		return why
	}
	if l.Mechanism == "" && o.guard != "" {
		return o.guard
	}
	return m.why(o.extensions)
}

func (s *Server) bar(kind peers.Kind, l Login, m Mode) *Bar {
	for i := range s.Bars {
		if s.Bars[i].holds(kind, l, m) {
			return &s.Bars[i]
		}
	}
	return nil
}

// fails tries what is said not to work.
func (j *Job) fails(ctx context.Context, want error) error {
	if _, err := j.deliver(ctx, peers.Bob, make([]string, j.Mode.Messages)); !errors.Is(err, want) {
		return fmt.Errorf("%s: %w, which was to be %w: take the bar away", j.Cell, err, want)
	}
	return nil
}

// offer asks a port what it offers to who shows a certificate, and, where mail needs a
// login, has it refuse mail without one.
func (s *Server) offer(ctx context.Context, kind peers.Kind) (*offer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	e := Endpoint(s.Peer, s.Site, kind)
	e.Credentials = nil
	if err := present(e, s.Site); err != nil {
		return nil, err
	}
	c, err := parley.Dial(ctx, e)
	if slices.Contains(s.NoTLS, kind) {
		if err == nil {
			c.Close()
			return nil, errors.New("TLS works: take the port off the list of those where it does not")
		}
		var te *transport.TLSError
		if !errors.As(err, &te) || te.Reason != transport.ReasonAlert {
			return nil, err
		}
		return &offer{why: fmt.Sprintf("the server ends every handshake with alert %d; the client says so and sends nothing", te.Alert)}, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	o := &offer{extensions: c.Extensions().Clone()}
	if slices.Contains(guarded, kind) {
		result, err := c.Deliver(ctx, mail(peers.Bob, content("nobody@cube.test", true, false)))
		if !errors.Is(err, parley.ErrRefused) || result == nil || result.Count(parley.Accepted) > 0 {
			return nil, fmt.Errorf("mail without a login was not refused: %v", err)
		}
		o.guard = "refused without a login"
	}
	return o, c.Quit(ctx)
}
