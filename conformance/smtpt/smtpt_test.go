package smtpt_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/conformance/smtpt"
)

const all = `# Every kind of line.
# rfc     C-5321-001 C-5321-002
# level   MUST
#
# More prose.

call send from=a@c.example to="\x22a b\x22@s.example" body=@body

# a remark
S: 220 {name} braces {} stay
S| 250 ok\n
S[split=3,9 gap=1s join]: 334 {b64:Username:}
S[fill=x*3 rep=2 at=+2s]: 250
S:
C: EHLO {name}
C| \x7bMAIL\x7d{any}\r\n
C: {re:A|B} {int}{b64:\0u\0p}{scram:client-first}
C:
C<<any
C<< @body
C<< unstuffed=@body
C<< lines
 .x
\x80
.
C~ 5s
group one-write {
C: A
C<<any
}
group {
C: A
}
group free {
S: x
C: A
}
X: accept-delay 3s
X: fin
TLS: server cert=expired
PROXY: socks5 {
C| \x05\x01\0
S| \x05\0
}
T: +10m
[strict] [!tls] E: accepted recipients=1
!F: ready -> sender
F: ready -> sender
alt {
C: A
} as latitude or {
C: B
} as fail
R: rcpt x@s.example perm 550 text="a\nb"
!R: message accepted
-- body --
Subject: t

hello
-- other --
.
`

// What is written in canonical form is read back as the same script.
func TestCanonical(t *testing.T) {
	s, err := smtpt.Parse("all", []byte(all))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, string(s.Format())); diff != "" {
		t.Errorf("not canonical (-want +got):\n%s", diff)
	}
	messy := strings.NewReplacer("[strict] [!tls] E: accepted  ", "[strict]  [!tls]   E:  accepted ", "C: A\n", "   C:  A\n", "# rfc     ", "#   rfc ").Replace(all)
	s, err = smtpt.Parse("messy", []byte(messy))
	if err != nil {
		t.Fatal(err)
	}
	once := s.Format()
	s, err = smtpt.Parse("once", once)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(once), string(s.Format())); diff != "" {
		t.Errorf("the canonical form is not stable:\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	for script, want := range map[string]string{
		"Z: x":                          "1:1: no line begins with \"Z:\"",
		"S: a\\q":                       "1:5: no escape \\q",
		"S[oops]: x":                    "1:3: no attribute \"oops\"",
		"S[split=9,3]: x":               "1:3: split: wants",
		"S[rep=0]: x":                   "1:3: rep: wants a count",
		"S[fill=x]: x":                  "1:3: fill: wants octets and a count",
		"S[at=2: x":                     "1:2: [ without ]",
		"S x":                           "1:2: S is followed by",
		"C: {oops:}":                    "1:5: no template {oops:}",
		"C: {any":                       "1:4: { without }",
		"C: {re:(}":                     "1:8: error parsing regexp",
		"C<< file":                      "1:4: C<< is followed by",
		"C<< lines\nx":                  "1:4: C<< lines ends with",
		"C~ soon":                       "1:3: \"soon\" is no time span",
		"T: +30h":                       "1:4: \"30h\" is no time span",
		"group {\nC: A":                 "1:1: the group does not end",
		"group {\nX: fin\n}":            "2:1: conn: a group has only lines of the client",
		"group odd {\n}":                "1:7: a group begins with",
		"alt {\nC: A\n}":                "1:1: an alternative has at least two branches",
		"alt {\nC: A\n} or {\n}":        "4:1: a branch without lines",
		"alt {\nC: A\n} as odd or {}":   "3:1: a branch ends with",
		"}":                             "1:1: } without a block",
		"F: ready":                      "1:4: F: wants",
		"!S: x":                         "1:1: ! goes with",
		"[x y] S: x":                    "1:1: [x y] is no condition",
		"call send a=\"b":               "1:11: \" without its pair",
		"X:":                            "1:4: conn: something is missing",
		"S: \xff":                       "1:4: a script is printable ASCII",
		"# rfc\nS: x":                   "1:1: # rfc needs a value",
		"PROXY: socks5":                 "1:8: PROXY: is followed by",
		"-- a --\n-- a --":              "2:1: there are two files \"a\"",
		strings.Repeat("group {\n", 20): "blocks are nested",
	} {
		_, err := smtpt.Parse("t", []byte(script))
		var e *smtpt.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", script, err, want)
		}
	}
}

// What package record writes down can be read.
func TestRecordings(t *testing.T) {
	names, _ := filepath.Glob("../../transport/record/testdata/*.smtpt")
	for _, name := range names {
		if _, err := smtpt.Load(name); err != nil {
			t.Error(err)
		}
	}
	if len(names) == 0 {
		t.Error("there are no recordings")
	}
}

// All cases are in canonical form.
func TestCasesAreCanonical(t *testing.T) {
	n := 0
	err := filepath.WalkDir("../testdata", func(name string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".smtpt" {
			return err
		}
		n++
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s, err := smtpt.Parse(name, data)
		if err != nil {
			t.Error(err)
			return nil
		}
		if string(s.Format()) != string(data) {
			t.Errorf("%s is not in canonical form: parley conform fmt %s", name, name)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d cases, %v", n, err)
	}
}

func TestPatterns(t *testing.T) {
	vars := func(name string) (string, bool) { return "client.example", name == "name" }
	for _, c := range []struct {
		pattern, line string
		want          bool
	}{
		{"EHLO {name}", "EHLO client.example\r\n", true},
		{"EHLO {name}", "EHLO other.example\r\n", false},
		{"MAIL FROM:<a> SIZE={int}", "MAIL FROM:<a> SIZE=12\r\n", true},
		{"MAIL FROM:<a> SIZE={int}", "MAIL FROM:<a> SIZE=\r\n", false},
		{"{any}", "\r\n", true},
		{"{any}x", "yx\r\n", true},
		{"{any}", "a\rb\r\n", false},
		{"{re:(MAIL|SEND) FROM:.*}", "SEND FROM:<>\r\n", true},
		{"{re:A}", "AA\r\n", false},
		{"{b64:\\0u\\0p}", "AHUAcA==\r\n", true},
		{"", "\r\n", true},
		{"", "x\r\n", false},
		{"{other}", "x\r\n", false},
	} {
		s, err := smtpt.Parse("t", []byte("C: "+c.pattern))
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := s.Steps[0].Pattern.Match([]byte(c.line), vars); got != c.want {
			t.Errorf("%s matches %q: %v", c.pattern, c.line, got)
		}
	}
}

func TestImport(t *testing.T) {
	s, err := smtpt.Import("r", []byte(`# a session
S: 220 s\r\n
C: EHLO {x}\r\n
S: 250-s\r\n
S: 250 AUTH PLAIN LOGIN\n
C: AUTH PLAIN c2VjcmV0\r\n
S: 334 \r\n
C: c2VjcmV0\r\n
# write 2
C: MAIL FROM:<>\r\n
C: RCPT TO:<a@b>\r\n
# write 3
C: DATA\r\n
S: 25
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `
# a session
S: 220 s
C: EHLO \x7bx\x7d
S: 250-s
S| 250 AUTH PLAIN LOGIN\n
C: AUTH PLAIN {any}
S: 334 
C: {any}
group one-write {
C: MAIL FROM:<>
C: RCPT TO:<a@b>
}
C: DATA
S| 25
`
	if diff := cmp.Diff(want, string(s.Format())); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"X: y", `S: \q`} {
		if _, err := smtpt.Import("r", []byte(bad)); err == nil {
			t.Errorf("%q is imported", bad)
		}
	}
}

func FuzzParse(f *testing.F) { // Invariant: what is read and written is read again, and written the same.
	f.Add(all)
	f.Add("# rfc x\n\nalt {\nC: a\n} or {\nC<<any\n}\n-- x --\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := smtpt.Parse("f", []byte(text))
		if err != nil {
			return
		}
		once := s.Format()
		again, err := smtpt.Parse("f", once)
		if err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		if twice := again.Format(); string(twice) != string(once) {
			t.Fatalf("%q\n%q", once, twice)
		}
	})
}
