package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/fsm"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; run with -update if it should\n%s", path, diff)
	}
}

func TestJSONOfEveryKind(t *testing.T) {
	var out []byte
	for _, e := range samples() {
		out = append(events.AppendJSON(out, e), '\n')
	}
	golden(t, "events.jsonl", out)
}

// Every line is one JSON object that begins with the kind and has every field of the
// event that may be written down.
func TestJSONIsComplete(t *testing.T) {
	hidden := map[string]bool{"Text": true, "CertEncoded": true, "Certificates": true, "Meta": true}
	for _, e := range samples() {
		line := events.AppendJSON(nil, e)
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if object["event"] != e.Kind().String() || !strings.HasPrefix(string(line), `{"event":`) || bytes.ContainsAny(line, "\n\x1b") {
			t.Errorf("bad line %s", line)
		}
		fields := reflect.TypeOf(e).Elem()
		want := 4 // event, session, transaction, seq
		for i := range fields.NumField() {
			if !hidden[fields.Field(i).Name] {
				want++
			}
		}
		if len(object) != want {
			t.Errorf("%d members, want %d: %s", len(object), want, line)
		}
	}
}

func TestJSONOfWhatIsNotThere(t *testing.T) {
	for want, e := range map[string]events.Event{
		`{"event":"rejected","seq":0,"reason":""}`:      &events.Rejected{},
		`{"event":"closed","seq":0,"state":"idle"}`:     &events.Closed{},
		`{"event":"extensions_offered","seq":0}`:        &events.ExtensionsOffered{},
		`{"event":"expand","seq":0,"address":"\ufffd"}`: &events.Expand{Address: "\xff"},
	} {
		if got := string(events.AppendJSON(nil, e)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// An AUTH exchange that was not masked where the events were made is masked here.
func TestNoSecretIsWrittenDown(t *testing.T) {
	secret := "c2VjcmV0"
	reply := func(code int) codec.Reply { return codec.Reply{Code: code, Lines: [][]byte{[]byte(secret)}} }
	for name, c := range map[string]struct {
		event events.Event
		shows string
	}{
		"initial response":     {&events.CommandSent{Command: fsm.Auth, Line: []byte("AUTH PLAIN " + secret)}, "AUTH PLAIN [masked]"},
		"with many blanks":     {&events.CommandSent{Command: fsm.Auth, Line: []byte("AUTH PLAIN  " + secret + " " + secret)}, "AUTH PLAIN [masked]"},
		"no initial response":  {&events.CommandSent{Command: fsm.Auth, Line: []byte("AUTH LOGIN")}, "AUTH LOGIN"},
		"response":             {&events.CommandSent{Command: fsm.AuthResponse, Line: []byte(secret)}, "[masked]"},
		"cancel":               {&events.CommandSent{Command: fsm.AuthCancel, Line: []byte("*")}, `"*"`},
		"first challenge":      {&events.ReplyReceived{Command: fsm.Auth, Reply: reply(334)}, "[masked]"},
		"further challenge":    {&events.ReplyReceived{Command: fsm.AuthResponse, Reply: reply(334)}, "[masked]"},
		"content":              {&events.Transfer{Text: []byte(secret)}, `"transfer"`},
		"the certificate":      {&events.SSLServerAuthentication{CertEncoded: []byte(secret)}, "ssl_server_authentication"},
		"refusal is no secret": {&events.ReplyReceived{Command: fsm.AuthResponse, Reply: codec.Reply{Code: 535, Lines: [][]byte{[]byte("no")}}}, `"lines":["no"]`},
	} {
		t.Run(name, func(t *testing.T) {
			before := events.Clone(c.event)
			var log bytes.Buffer
			events.Slog(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))(c.event)
			for _, text := range []string{string(events.AppendJSON(nil, c.event)), log.String()} {
				if strings.Contains(text, secret) || !strings.Contains(text, c.shows) {
					t.Error(text)
				}
			}
			if diff := cmp.Diff(before, c.event); diff != "" {
				t.Errorf("the event was changed: %s", diff)
			}
		})
	}
}

func TestSlogOfEveryKind(t *testing.T) {
	var out bytes.Buffer
	handle := events.Slog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	for _, e := range samples() {
		handle(e)
	}
	handle(&events.Closed{State: fsm.Closed})
	golden(t, "events.log", out.Bytes())
}

// A logger that does not want an event costs nothing.
func TestSlogDoesNotBuildWhatNobodyLogs(t *testing.T) {
	handle := events.Slog(slog.New(slog.NewTextHandler(io.Discard, nil)))
	e := &events.CommandSent{Line: []byte("NOOP")}
	if allocs := testing.AllocsPerRun(100, func() { handle(e) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := samples()[events.KindReplyReceived]
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = events.AppendJSON(line[:0], e)
	}
}
