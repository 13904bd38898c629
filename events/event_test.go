package events_test

import (
	"crypto/x509"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

// samples returns one event of each kind, every field of it set, in new memory.
func samples() []events.Event {
	m := events.Meta{Session: 7, Transaction: 2, Seq: 41}
	ok := func() codec.Reply {
		return codec.Reply{Code: 250, Enhanced: codec.Enhanced{Class: 2, Subject: 1, Detail: 5}, Lines: [][]byte{[]byte("2.1.5 fine"), []byte("2.1.5 really")}}
	}
	no := func() codec.Reply {
		var odd codec.Anomalies
		return codec.Reply{Code: 550, Lines: [][]byte{[]byte("no \"such\" \x1b[31muser\\ \xff Grüße")}, Anomalies: odd.Add(codec.BareLF)}
	}
	return []events.Event{
		&events.Connected{Meta: m, Address: "192.0.2.1:25", Secure: true},
		&events.Greeted{Meta: m, Reply: codec.Reply{Code: 220, Lines: [][]byte{[]byte("mx.example ESMTP")}}},
		&events.ExtensionsOffered{Meta: m, Extensions: &codec.Extensions{
			Domain: "mx.example", Auth: []string{"PLAIN"},
			Keywords: []codec.Keyword{{Name: "PIPELINING"}, {Name: "SIZE", Params: "1000"}, {Name: "AUTH", Params: "PLAIN"}},
		}},
		&events.Secured{Meta: m, Version: 0x304, CipherSuite: 0x1301, Verified: true, Engine: "std"},
		&events.Authenticated{Meta: m, Mechanism: "SCRAM-SHA-256"},
		&events.CommandSent{Meta: m, Command: fsm.Mail, Line: []byte("MAIL FROM:<a@x.example> SIZE=12")},
		&events.ReplyReceived{Meta: m, Command: fsm.Rcpt, Reply: ok()},
		&events.StateChanged{Meta: m, From: fsm.Ready, To: fsm.Sender, By: fsm.On(fsm.Mail, fsm.Positive)},
		&events.SenderAccepted{Meta: m, Path: "a@x.example", Reply: ok()},
		&events.SenderRefused{Meta: m, Path: "a@x.example", Reply: no()},
		&events.RecipientAccepted{Meta: m, Index: 1, Path: "b@y.example", Reply: ok()},
		&events.RecipientRefused{Meta: m, Index: 2, Path: "c@y.example", Reply: no()},
		&events.ContentSent{Meta: m, Octets: 1234},
		&events.Accepted{Meta: m, Recipients: 1, Reply: ok()},
		&events.Rejected{Meta: m, Reply: no(), Reason: "all recipients were refused"},
		&events.OutcomeUnknown{Meta: m, Reason: "the connection was lost"},
		&events.Anomaly{Meta: m, Command: fsm.Data, What: codec.BareLF, Detail: "LF alone"},
		&events.Violation{Meta: m, State: fsm.Ready, Detail: "no reply"},
		&events.Notice{Meta: m, Detail: "DSN is not offered"},
		&events.Closed{Meta: m, State: fsm.Failed, Err: errors.New("lost")},
		&events.ConnectionStatus{Meta: m, ConnectionEvent: "Remote host disconnected.", StatusCode: 104, Description: "reset"},
		&events.PITrail{Meta: m, Direction: events.FromServer, Message: "250 fine"},
		&events.StartTransfer{Meta: m, Direction: events.FromEngine},
		&events.Transfer{Meta: m, Direction: events.FromEngine, BytesTransferred: 512, PercentDone: 41, Text: []byte("the content")},
		&events.EndTransfer{Meta: m, Direction: events.FromEngine},
		&events.Expand{Meta: m, Address: "<d@z.example>"},
		&events.Error{Meta: m, ErrorCode: 161, Description: "550 no"},
		&events.SSLServerAuthentication{
			Meta: m, CertEncoded: []byte{0x30, 0x82}, CertSubject: "CN=mx.example", CertIssuer: "CN=ca", Status: "OK",
			Certificates: []*x509.Certificate{{}}, Accept: true,
		},
		&events.SSLStatus{Meta: m, Message: "handshake done"},
	}
}

// The samples are of every struct in the source that embeds Meta, their kinds are
// the constants in order, and no field of theirs is left out. All other tests that
// run over the samples thereby run over every event there is.
func TestSamplesAreComplete(t *testing.T) {
	var declared []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok && embedsMeta(s) {
					declared = append(declared, spec.Name.Name)
				}
			}
			return true
		})
	}
	var sampled []string
	for k, e := range samples() {
		v := reflect.ValueOf(e).Elem()
		sampled = append(sampled, v.Type().Name())
		if e.Kind() != events.Kind(k) {
			t.Errorf("%T is of kind %v, want %v", e, e.Kind(), events.Kind(k))
		}
		if e.About().Seq != 41 {
			t.Errorf("%T is about %+v", e, e.About())
		}
		for i := range v.NumField() {
			if v.Field(i).IsZero() && v.Type().Field(i).Type != reflect.TypeFor[fsm.State]() {
				t.Errorf("%T.%s is not set", e, v.Type().Field(i).Name)
			}
		}
	}
	slices.Sort(declared)
	slices.Sort(sampled)
	if diff := cmp.Diff(declared, sampled); diff != "" {
		t.Errorf("(-declared +sampled)\n%s", diff)
	}
	if next := events.Kind(len(sampled)); !strings.HasPrefix(next.String(), "kind(") {
		t.Errorf("%v has no event", next)
	}
}

func embedsMeta(s *ast.StructType) bool {
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		name, ok := f.Type.(*ast.Ident)
		return ok && len(f.Names) == 0 && name.Name == "Meta"
	})
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range samples() {
		name := e.Kind().String()
		if text, err := e.Kind().MarshalText(); err != nil || string(text) != name {
			t.Errorf("%v marshals as %q, %v", e.Kind(), text, err)
		}
		if flat := strings.ToLower(reflect.TypeOf(e).Elem().Name()); strings.ReplaceAll(name, "_", "") != flat || seen[name] {
			t.Errorf("%T is called %q", e, name)
		}
		seen[name] = true
	}
	for got, want := range map[string]string{
		events.Kind(99).String():      "kind(99)",
		events.Direction(9).String():  "direction(9)",
		events.FromServer.String():    "server",
		events.Overflow(9).String():   "overflow(9)",
		events.DropOldest.String():    "drop-oldest",
		events.Block.String():         "block",
		events.KindPITrail.String():   "pi_trail",
		events.KindSSLStatus.String(): "ssl_status",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSet(t *testing.T) {
	s := events.Of(events.KindPITrail, events.KindClosed)
	for _, e := range samples() {
		want := e.Kind() == events.KindPITrail || e.Kind() == events.KindClosed
		if s.Has(e.Kind()) != want {
			t.Errorf("%v is in the set: %v", e.Kind(), !want)
		}
		if !events.All.Has(e.Kind()) || events.Of().Has(e.Kind()) {
			t.Errorf("%v is not in All, or in none", e.Kind())
		}
	}
	if events.All.Has(events.Kind(len(samples()))) || events.All.Has(events.Kind(200)) {
		t.Error("All has a kind that does not exist")
	}
}

// A clone is equal, and shares no memory with what it was made from: everything that
// can be overwritten is, and the clone does not change.
func TestCloneOwnsItsMemory(t *testing.T) {
	same := cmp.Options{
		cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() }),
		cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) }),
	}
	fresh := samples()
	for k, e := range samples() {
		c := events.Clone(e)
		if diff := cmp.Diff(fresh[k], c, same); diff != "" {
			t.Errorf("%T: %s", e, diff)
		}
		poison(reflect.ValueOf(e))
		if diff := cmp.Diff(fresh[k], c, same); diff != "" {
			t.Errorf("%T shares memory: %s", e, diff)
		}
	}
	if c := events.Clone(&events.ExtensionsOffered{}).(*events.ExtensionsOffered); c.Extensions != nil {
		t.Errorf("nothing offered becomes %+v", c.Extensions)
	}
}

// poison overwrites everything that v leads to, but errors and certificates.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*x509.Certificate]() {
			poison(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			poison(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i))
		}
		if v.Len() > 0 && v.Index(0).Kind() == reflect.Pointer {
			v.Index(0).SetZero()
		}
	case reflect.String:
		v.SetString("poison")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(-99)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(99)
	}
}
