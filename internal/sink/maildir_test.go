package sink_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/internal/sink"
)

// files returns the contents of all files under a Maildir by their folder.
func files(t *testing.T, dir string) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	for _, sub := range []string{"tmp", "new", "cur"} {
		names, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			content, err := os.ReadFile(filepath.Join(dir, sub, n.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got[sub] = append(got[sub], string(content))
		}
		slices.Sort(got[sub])
	}
	return got
}

func TestMaildir(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*sink.Maildir)
		want []string
	}{
		{"as it came", func(*sink.Maildir) {}, []string{"a\r\r\n\nb\r", "one\r\n.\r\n"}},
		{"LF", func(m *sink.Maildir) { m.LF = true; m.NoSync = true }, []string{"a\r\n\nb\r", "one\n.\n"}},
		{"envelope", func(m *sink.Maildir) { m.Envelope = true }, []string{
			"Return-Path: <>\r\nDelivered-To: b@y.example\r\none\r\n.\r\n",
			"Return-Path: <a@x.example>\r\nDelivered-To: b@y.example\r\nDelivered-To: c@y.example\r\na\r\r\n\nb\r",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			m, err := sink.NewMaildir(dir)
			if err != nil {
				t.Fatal(err)
			}
			tt.set(m)
			srv := server(t, "PIPELINING CHUNKING")
			srv.Store = m
			play(t, srv, hello("PIPELINING", "CHUNKING")+`
				C: MAIL FROM:<>
				S: 250 {any}
				C: RCPT TO:<b@y.example>
				S: 250 {any}
				C: DATA
				S: 354 {any}
				C: one
				C: ..
				C: .
				S: 250 {any}
				C: MAIL FROM:<a@x.example>
				C: RCPT TO:<b@y.example>
				C: RCPT TO:<c@y.example>
				C: BDAT 2
				C| a\rBDAT 5 LAST\r\n\r\n\nb\r
				S: 250 {any}
				S: 250 {any}
				S: 250 {any}
				S: 250 {any}
				S: 250 {any}`+quit)
			if diff := cmp.Diff(map[string][]string{"new": tt.want}, files(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMaildirErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.NewMaildir(file); err == nil || !strings.HasPrefix(err.Error(), "sink: maildir: ") {
		t.Errorf("on a file: %v", err)
	}
	dir := t.TempDir()
	m, err := sink.NewMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	srv := server(t, "ENHANCEDSTATUSCODES")
	srv.Store = m
	play(t, srv, hello("ENHANCEDSTATUSCODES")+envelope+"C: DATA\nS: 354 {any}\nC: .\nS: 451 4.3.0 {any}"+quit)
}
