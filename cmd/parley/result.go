package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
)

// The shape of the JSON result of send; scripts rely on it.
type jsonResult struct {
	Outcome    string          `json:"outcome"`
	Recipients []jsonRecipient `json:"recipients"`
	Reply      *jsonReply      `json:"reply"`
	MessageID  string          `json:"message_id"`
	Bytes      int64           `json:"bytes"`
	RoundTrips int             `json:"round_trips"`
	Commands   int             `json:"commands"`
	Extensions []string        `json:"extensions"`
	TLS        *jsonTLS        `json:"tls"`
	Auth       string          `json:"auth,omitempty"`
	Anomalies  []string        `json:"anomalies"`
	Error      *jsonError      `json:"error"`
	Duration   int64           `json:"duration_ms"`
}

type jsonRecipient struct {
	Address  string `json:"address"`
	Outcome  string `json:"outcome"`
	Code     int    `json:"code,omitempty"`
	Enhanced string `json:"enhanced,omitempty"`
	Text     string `json:"text,omitempty"`
}

type jsonReply struct {
	Code     int      `json:"code"`
	Enhanced string   `json:"enhanced,omitempty"`
	Lines    []string `json:"lines"`
}

type jsonTLS struct {
	Version  string `json:"version"`
	Cipher   string `json:"cipher"`
	Group    string `json:"group,omitempty"`
	Engine   string `json:"engine"`
	Resumed  bool   `json:"resumed"`
	Verified bool   `json:"verified"`
}

type jsonError struct {
	Kind      string `json:"kind"`
	Text      string `json:"text"`
	Temporary bool   `json:"temporary"`
	Ambiguous bool   `json:"ambiguous"`
}

func asJSONReply(r codec.Reply) *jsonReply {
	if r.Code == 0 {
		return nil
	}
	j := &jsonReply{Code: r.Code, Lines: []string{}}
	if !r.Enhanced.IsZero() {
		j.Enhanced = r.Enhanced.String()
	}
	for _, l := range r.Lines {
		j.Lines = append(j.Lines, escape(string(l)))
	}
	return j
}

// outcome is everything there is to say about one send.
type outcome struct {
	result *parley.Result // nil: nothing was begun
	conn   *parley.Conn   // nil: there was no session
	to     []string       // all recipients that were asked for
	id     string
	err    error
	took   time.Duration
	flags  *serverFlags
}

func (o *outcome) json() *jsonResult {
	j := &jsonResult{
		Outcome: parley.OutcomeNotSent.String(), Recipients: []jsonRecipient{}, MessageID: o.id, Extensions: []string{},
		Anomalies: append([]string{}, o.flags.anomalies...), Duration: o.took.Milliseconds(),
	}
	if o.result == nil {
		for _, to := range o.to {
			j.Recipients = append(j.Recipients, jsonRecipient{Address: to, Outcome: parley.NotSent.String()})
		}
	} else {
		j.Outcome, j.Bytes, j.Reply = o.result.Outcome().String(), o.result.Octets, asJSONReply(o.result.Reply)
		for i := range o.result.Recipients {
			r := &o.result.Recipients[i]
			jr := jsonRecipient{Address: r.Path.String(), Outcome: r.Status.String(), Code: r.Reply.Code}
			if !r.Reply.Enhanced.IsZero() {
				jr.Enhanced = r.Reply.Enhanced.String()
			}
			jr.Text = escape(strings.ReplaceAll(r.Reply.Text(), "\n", " / "))
			j.Recipients = append(j.Recipients, jr)
		}
	}
	if o.conn != nil {
		s := o.conn.Session()
		j.RoundTrips, j.Commands, j.Auth = s.Stats().Turns, s.Stats().Commands, s.Authenticated()
		for _, k := range s.Extensions().Keywords {
			j.Extensions = append(j.Extensions, escape(strings.TrimSpace(k.Name+" "+k.Params)))
		}
		if sec := o.conn.Security(); sec.Secure {
			j.TLS = &jsonTLS{sec.VersionName(), sec.SuiteName(), sec.KeyExchange(), sec.Engine, sec.Resumed, sec.Verified}
		}
	}
	if o.err != nil {
		j.Error = &jsonError{Kind: "other", Text: message(o.err)}
		if e := asError(o.err); e != nil {
			j.Error.Kind, j.Error.Temporary, j.Error.Ambiguous = e.Kind.String(), e.Temporary(), e.Ambiguous()
		}
	}
	return j
}

// write says what became of the message.
func (o *outcome) write(w io.Writer) {
	if o.flags.asJSON {
		json.NewEncoder(w).Encode(o.json())
		return
	}
	if o.flags.quiet || o.result == nil {
		return
	}
	p := paintFor(w)
	for i := range o.result.Recipients {
		r := &o.result.Recipients[i]
		shade := p.green
		switch r.Status {
		case parley.Refused, parley.NotSent:
			shade = p.red
		case parley.Unknown:
			shade = p.yellow
		}
		why := ""
		switch {
		case r.Reply.Code != 0:
			why = escape(r.Reply.String())
		case r.Err != nil:
			why = message(r.Err)
		}
		fmt.Fprintf(w, "%s  %s  %s\n", shade(fmt.Sprintf("%-8s", r.Status)), escape(r.Path.String()), p.dim(why))
	}
}

func jsonTo(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
