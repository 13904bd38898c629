package conformance_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-mail/parley/codec"
)

type wantReply struct {
	Code      int
	Lines     []octets
	Enhanced  string
	Anomalies []string
}

type wantReplies struct {
	Replies []wantReply
	Rest    int
	Fault   string
}

// decode reads a stream that comes in pieces.
func decode(pieces []string, strictly bool) wantReplies {
	var d codec.Decoder
	d.Reset(codec.Limits{}, strictly)
	got := wantReplies{}
	for _, p := range pieces {
		d.Feed([]byte(p))
		for {
			r, err := d.Next()
			if s := (*codec.SyntaxError)(nil); errors.As(err, &s) {
				got.Fault = s.Anomaly.String()
				return got
			}
			if r == nil {
				break
			}
			w := wantReply{Code: r.Code, Enhanced: r.Enhanced.String()}
			for _, l := range r.Lines {
				w.Lines = append(w.Lines, octets(l))
			}
			for a := range r.Anomalies.All() {
				w.Anomalies = append(w.Anomalies, a.String())
			}
			got.Replies = append(got.Replies, w)
		}
	}
	got.Rest = d.Buffered()
	return got
}

func checkReply(t *testing.T, v *vector) {
	var want wantReplies
	strict(t, v.Expect, &want)
	for _, p := range v.pieces() {
		if diff := cmp.Diff(want, decode(p, false), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("in %d pieces (-want +got)\n%s", len(p), diff)
		}
		switch got := decode(p, true); {
		case v.Result == "valid":
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("strict, in %d pieces (-want +got)\n%s", len(p), diff)
			}
		case got.Fault == "":
			t.Errorf("strict, in %d pieces: let pass", len(p))
		}
	}
	if anomalous := slices.ContainsFunc(want.Replies, func(r wantReply) bool { return len(r.Anomalies) > 0 }); anomalous != (v.Result == "acceptable") || (want.Fault != "") != (v.Result == "invalid") {
		t.Errorf("%s does not fit what is expected", v.Result)
	}
}

// oneReply is the only reply in the bytes.
func oneReply(t *testing.T, v *vector) codec.Reply {
	t.Helper()
	var d codec.Decoder
	d.Feed([]byte(v.Bytes))
	r, err := d.Next()
	if err != nil || r == nil || d.Buffered() != 0 {
		t.Fatalf("%v, %v, and %d octets", r, err, d.Buffered())
	}
	return r.Clone()
}

type wantEhlo struct {
	Domain                          string
	Offers, Auth                    []string
	Size, DeliverBy, MaxHold        int64
	MaxHoldUntil, Priorities        string
	MailMax, RcptMax, RcptDomainMax int
}

func checkEhlo(t *testing.T, v *vector) {
	var want wantEhlo
	strict(t, v.Expect, &want)
	slices.Sort(want.Offers)
	r := oneReply(t, v)
	var x codec.Extensions
	x.Parse(&r)
	got := wantEhlo{
		Domain: x.Domain, Auth: x.Auth, Size: x.MaxSize, DeliverBy: x.DeliverByMin, MaxHold: x.MaxHold,
		MaxHoldUntil: x.MaxHoldUntil, Priorities: x.MTPriorityProfile, MailMax: x.MailMax, RcptMax: x.RcptMax, RcptDomainMax: x.RcptDomainMax,
	}
	for keyword, offered := range map[string]bool{
		"8BITMIME": x.EightBitMIME, "AUTH": x.Has("AUTH"), "BINARYMIME": x.BinaryMIME, "CHUNKING": x.Chunking, "DELIVERBY": x.DeliverBy,
		"DSN": x.DSN, "ENHANCEDSTATUSCODES": x.EnhancedStatusCodes, "ETRN": x.ETRN, "EXPN": x.Expand, "FUTURERELEASE": x.FutureRelease,
		"HELP": x.Help, "LIMITS": x.Limits, "MT-PRIORITY": x.MTPriority, "PIPELINING": x.Pipelining, "REQUIRETLS": x.RequireTLS,
		"SIZE": x.Size, "SMTPUTF8": x.SMTPUTF8, "STARTTLS": x.StartTLS, "VRFY": x.Verify,
	} {
		if offered {
			got.Offers = append(got.Offers, keyword)
		}
	}
	slices.Sort(got.Offers)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func checkEnhanced(t *testing.T, v *vector) {
	var want struct {
		Enhanced string
		Text     octets
	}
	strict(t, v.Expect, &want)
	r := oneReply(t, v)
	same(t, want.Enhanced, r.Enhanced.String())
	same(t, string(want.Text), r.Text())
}

func checkXtext(t *testing.T, v *vector) {
	var want struct{ Decoded octets }
	strict(t, v.Expect, &want)
	decode, encode := codec.DecodeXtext, codec.AppendXtext
	if v.has("utf-8") {
		decode, encode = codec.DecodeUTF8Xtext, codec.AppendUTF8Xtext
	}
	got, err := decode(string(v.Bytes))
	if (err == nil) != (v.Result == "valid") {
		t.Fatalf("%q, %v", got, err)
	}
	same(t, string(want.Decoded), got)
	if v.Result == "valid" {
		same(t, v.has("canonical"), string(encode(nil, string(want.Decoded))) == string(v.Bytes))
	}
}

func checkDots(t *testing.T, v *vector) {
	var want struct {
		Wire, Content octets
		Rest          int
	}
	strict(t, v.Expect, &want)
	for _, pieces := range v.pieces() {
		if v.has("receive") {
			var u codec.Unstuffer
			var content []byte
			n := 0
			for _, p := range pieces {
				var taken int
				content, taken = u.Append(content, []byte(p))
				n += taken
			}
			if u.Done() != (v.Result != "invalid") || u.Done() && n != len(v.Bytes)-want.Rest {
				t.Errorf("in %d pieces: at the end %v behind %d octets", len(pieces), u.Done(), n)
			}
			if u.Done() {
				same(t, string(want.Content), string(content))
			}
			continue
		}
		wire, err := stuff(pieces, codec.Normalize)
		if err != nil {
			t.Fatal(err)
		}
		same(t, string(want.Wire), wire)
		wire, err = stuff(pieces, codec.Refuse)
		if (err == nil) != (v.Result == "valid") {
			t.Errorf("in %d pieces, lone line ends refused: %v", len(pieces), err)
		}
		if err == nil {
			same(t, string(want.Wire), wire)
		}
	}
	if v.has("send") == v.has("receive") || strings.Contains(string(want.Wire[:max(0, len(want.Wire)-5)]), "\r\n.\r\n") {
		t.Error("the vector is wrong")
	}
}

func stuff(pieces []string, mode codec.LineEnds) (string, error) {
	var s codec.Stuffer
	s.Reset(mode)
	var wire []byte
	for _, p := range pieces {
		var err error
		if wire, err = s.Append(wire, []byte(p)); err != nil {
			return "", err
		}
	}
	wire, err := s.End(wire)
	return string(wire), err
}
