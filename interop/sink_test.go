//go:build interop

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/interop/peers"
	"github.com/parley-mail/parley/session"
)

// TestSendToSink sends to smtp-sink, which keeps what it gets.
func TestSendToSink(t *testing.T) {
	keeping := peers.NewSMTPSink().Keep()
	site := start(t, keeping)
	for i, serial := range []bool{false, true} {
		e := endpoint(keeping, site, peers.SMTP)
		e.Session.Serial = serial
		if _, err := send(t, e, mail(head+".dot\r\n", peers.Bob)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stored(head+".dot\r\n"), arrived(t, keeping, peers.Bob.User, i+1)); diff != "" {
			t.Errorf("sent and stored differ (-sent +stored):\n%s", diff)
		}
	}
	lmtp := peers.NewSMTPSink("-L")
	site = start(t, lmtp)
	if result, err := send(t, endpoint(lmtp, site, peers.LMTP), mail(head, peers.Bob, peers.Carol)); err != nil || result.Outcome() != parley.OutcomeAccepted {
		t.Errorf("LMTP: %v", err)
	}
	many := make([]peers.Account, 2000)
	for i := range many {
		many[i].User = fmt.Sprintf("user%d", i)
	}
	for _, serial := range []bool{false, true} {
		e := endpoint(keeping, site, peers.SMTP)
		e.Session.Serial = serial
		result, err := send(t, e, mail(head, many...))
		if err != nil || result.Count(parley.Accepted) != len(many) {
			t.Errorf("many recipients, serial %v: %v", serial, err)
		}
	}
}

// TestSinkOptions has smtp-sink misbehave in every way it knows, and demands for each the
// outcome of two recipients, in a form such as "refused 550", and the kind of error.
func TestSinkOptions(t *testing.T) {
	site, err := peers.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	const eightBit = "gr\xc3\xbc\xc3\x9fe\r\n"
	large := head + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n", 100_000)
	soft := &codec.MailParams{Return: "HDRS"}
	const (
		fine    = "accepted 250, accepted 250"
		nothing = "not_sent 0, not_sent 0"
	)
	type row struct {
		options string
		content string
		params  *codec.MailParams
		serial  bool
		want    string
		kind    error
		silent  bool // MAIL must not have been said
	}
	rows := []row{
		{options: "-8", want: fine},
		{options: "-8", content: eightBit, want: nothing, kind: parley.ErrUnsupported, silent: true},
		{options: "", content: "Subject: gr\u00fc\u00dfe\r\n\r\n", want: nothing, kind: parley.ErrUnsupported, silent: true},
		{options: "", content: "a\x00b\r\n", want: nothing, kind: parley.ErrUnsupported, silent: true},
		{options: "-e", want: fine},
		{options: "-e", content: eightBit, want: nothing, kind: parley.ErrUnsupported, silent: true},
		{options: "-P", want: fine},
		{options: "-P", content: eightBit, want: nothing, kind: parley.ErrUnsupported, silent: true},
		{options: "", params: soft, want: fine},
		{options: "-N", params: soft, want: nothing, kind: parley.ErrUnsupported, silent: true},
		{options: "-E", want: fine},
		{options: "-p", want: fine},
		{options: "-a", want: fine},
		{options: "-w 1", want: fine},
		{options: "-H 1 -T 2048", content: large, want: fine},
		// It answers before the end of the content, and reads no more.
		{options: "-A 0", content: large, want: "refused 550, refused 550", kind: parley.ErrRefused},
		{options: "-A 1", content: large, want: "refused 550, refused 550", kind: parley.ErrRefused},
		{options: "-A 0", want: "refused 550, refused 550", kind: parley.ErrRefused},
		// Pipelined it loses a reply here: it starts to wait anew with each command.
		{options: "-W RCPT:1", serial: true, want: fine},
		{options: "-q CONNECT", want: "none", kind: parley.ErrTransport},
		{options: "-q EHLO", want: "none", kind: parley.ErrTransport},
		{options: "-q MAIL", want: nothing, kind: parley.ErrTransport},
		{options: "-q RCPT", want: nothing, kind: parley.ErrTransport},
		{options: "-q DATA", want: "not_sent 250, not_sent 250", kind: parley.ErrTransport},
		{options: "-q .", want: "unknown 250, unknown 250", kind: parley.ErrTransport},
		{options: "-q QUIT", want: fine},
		{options: "-Q CONNECT", want: "none", kind: parley.ErrRefused},
		{options: "-Q EHLO", want: "none", kind: parley.ErrRefused},
		{options: "-Q MAIL", want: nothing, kind: parley.ErrRefused},
		{options: "-Q RCPT", want: "refused 421, not_sent 0", kind: parley.ErrRefused},
		{options: "-Q DATA", want: "not_sent 250, not_sent 250", kind: parley.ErrRefused},
		{options: "-Q .", want: "unknown 250, unknown 250", kind: parley.ErrRefused},
		{options: "-Q QUIT", want: fine},
		{options: "-f EHLO", want: fine}, // HELO then
		{options: "-f EHLO,HELO", want: "none", kind: parley.ErrRefused},
		{options: "-f QUIT", want: fine},
	}
	for option, code := range map[string]string{"-f": "500", "-r": "450"} {
		for _, phase := range []string{"CONNECT", "MAIL", "RCPT", "DATA", "."} {
			want := "refused " + code + ", refused " + code
			if phase == "CONNECT" {
				want = "none"
			}
			rows = append(rows, row{options: option + " " + phase, want: want, kind: parley.ErrRefused})
		}
	}
	for _, r := range rows {
		p := peers.NewSMTPSink(append(strings.Fields(r.options), "-v")...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := p.Start(ctx, site); err != nil {
			t.Fatal(err)
		}
		m := mail(head+r.content, peers.Bob, peers.Carol)
		if strings.HasPrefix(r.content, "From:") || strings.HasPrefix(r.content, "Subject:") {
			m = mail(r.content, peers.Bob, peers.Carol)
		}
		if r.params != nil {
			m.Envelope.Params = *r.params
		}
		e := endpoint(p, site, peers.SMTP)
		e.Session = session.Config{Hello: "client.test", Serial: r.serial}
		result, err := send(t, e, m)
		cancel()
		if stopped := p.Stop(); stopped != nil {
			t.Error(stopped)
		}
		if got := outcomes(result); got != r.want || r.kind == nil && err != nil || r.kind != nil && !errors.Is(err, r.kind) {
			t.Errorf("smtp-sink %s: %s, %v; want %s, %v\n%s", r.options, got, err, r.want, r.kind, p.Log())
		}
		if r.silent && strings.Contains(p.Log(), "MAIL FROM") {
			t.Errorf("smtp-sink %s: MAIL was said:\n%s", r.options, p.Log())
		}
	}
}

// outcomes is "refused 550, accepted 250" for two recipients, "none" without a result.
func outcomes(r *parley.Result) string {
	if r == nil {
		return "none"
	}
	var all []string
	for i := range r.Recipients {
		all = append(all, fmt.Sprint(r.Recipients[i].Status, " ", r.Recipients[i].Reply.Code))
	}
	return strings.Join(all, ", ")
}
