package codec_test

import (
	"testing"

	"github.com/parley-mail/parley/codec"
)

// What a session does for each command, reply and piece of content allocates nothing,
// once its buffers have grown; an EHLO reply costs its strings.
func TestAllocs(t *testing.T) {
	dst := make([]byte, 0, 3<<20)
	segments := make([][]byte, 0, 64<<10)
	var err error
	must := func(_ []byte, e error) {
		if e != nil {
			err = e
		}
	}
	var d codec.Decoder
	replies := func(stream string) func() {
		p := []byte(stream)
		return func() {
			d.Feed(p)
			for r, e := d.Next(); r != nil || e != nil; r, e = d.Next() {
				if e != nil {
					err = e
					return
				}
			}
		}
	}
	var x codec.Extensions
	offered := decodeReply(t, ehloReply)
	mail := &codec.MailParams{Size: 4096, Body: codec.Body8BitMIME, SMTPUTF8: true, Return: "FULL", EnvelopeID: "a+b", RequireTLS: true}
	rcpt := &codec.RcptParams{Notify: codec.NotifyFailure | codec.NotifyDelay, OriginalRecipient: "rfc822;a+x@b.example"}
	content := fill(mixedLines())
	var stuffer codec.Stuffer
	var normalizer codec.Normalizer
	var unstuffer codec.Unstuffer
	tests := []struct {
		name string
		most float64
		work func()
	}{
		{"reply", 0, replies(oneLine)},
		{"reply of three lines", 0, replies(threeLines)},
		{"many replies at once", 0, replies(oneLine + threeLines + ehloReply + oneLine)},
		{"EHLO reply", 0, replies(ehloReply)},
		{"extensions", 6, func() { x.Parse(offered) }},
		{"EHLO", 0, func() { must(codec.AppendEhlo(dst, "client.example")) }},
		{"MAIL", 0, func() { must(codec.AppendMail(dst, "MAIL", "a@b.example", nil)) }},
		{"MAIL with parameters", 0, func() { must(codec.AppendMail(dst, "MAIL", "\"a b\"@b.example", mail)) }},
		{"RCPT", 0, func() { must(codec.AppendRcpt(dst, "a@b.example", nil)) }},
		{"RCPT with parameters", 0, func() { must(codec.AppendRcpt(dst, "a@b.example", rcpt)) }},
		{"BDAT", 0, func() { must(codec.AppendBdat(dst, 1<<20, true), nil) }},
		{"AUTH", 0, func() { must(codec.AppendAuth(dst, "PLAIN", content[:90], true)) }},
		{"AUTH response", 0, func() { must(codec.AppendAuthResponse(dst, content[:90]), nil) }},
		{"NOOP", 0, func() { must(codec.AppendNoop(dst, "", false)) }},
		{"DATA", 0, func() { must(stuffer.Append(dst, content)) }},
		{"DATA in segments", 0, func() {
			_, e := stuffer.Segments(segments, content)
			must(nil, e)
		}},
		{"BDAT content", 0, func() { must(normalizer.Append(dst, content)) }},
		{"content of a receiver", 0, func() { unstuffer.Append(dst, content) }},
	}
	for _, test := range tests {
		if n := testing.AllocsPerRun(10, test.work); n > test.most || err != nil {
			t.Errorf("%s: %v allocations, at most %v; %v", test.name, n, test.most, err)
		}
	}
}
