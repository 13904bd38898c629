package conformance_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/conformance"
)

// The vectors are for every client of SMTP: data in vectors/, laid out in schema.json.
// Their expectations come from the documents, by hand; here they are held against the
// packages of this project.

type vectorFile struct {
	Schema, Kind, About string
	Flags               map[string]string
	Vectors             []vector
}

type vector struct {
	ID      string
	Bytes   octets
	Splits  []int
	Profile string
	Result  string
	Flags   []string
	Expect  json.RawMessage

	Mechanism      string            // sasl
	Credentials    map[string]octets // sasl
	Charset, Field string            // words
}

// octets are written as in Go, without quotes around them.
type octets string

var escaped = regexp.MustCompile(`^([ -\[\]-~]|\\([rnt\\]|x[0-9a-f]{2}))*$`)

func (o *octets) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if !escaped.MatchString(s) {
		return errors.New("octets as the schema does not have them: " + s)
	}
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	*o = octets(s)
	return err
}

// strict reads JSON that has nothing unknown in it.
func strict(t *testing.T, b []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", b[:min(len(b), 200)], err)
	}
}

func (v *vector) has(flag string) bool { return slices.Contains(v.Flags, flag) }

// vectorKinds is what holds each kind of vector against the code.
var vectorKinds = map[string]func(*testing.T, *vector){
	"reply": checkReply, "ehlo": checkEhlo, "enhanced": checkEnhanced, "path": checkPath,
	"xtext": checkXtext, "dots": checkDots, "sasl": checkSasl, "words": checkWords,
}

func readVectors(t *testing.T) []vectorFile {
	t.Helper()
	var all []vectorFile
	for kind := range vectorKinds {
		text, err := os.ReadFile(filepath.Join("vectors", kind+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var f vectorFile
		strict(t, text, &f)
		if f.Kind != kind || f.Schema != "schema.json" || f.About == "" {
			t.Errorf("%s: %q, %q, %q", kind, f.Kind, f.Schema, f.About)
		}
		all = append(all, f)
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, f := range readVectors(t) {
		for _, v := range f.Vectors {
			t.Run(f.Kind+"/"+v.ID, func(t *testing.T) { vectorKinds[f.Kind](t, &v) })
		}
	}
}

// TestVectorFiles: the files are laid out as the schema says, and name what exists.
func TestVectorFiles(t *testing.T) {
	odd := map[string]bool{}
	for _, o := range conformance.OddReplies() {
		odd[o.ID] = true
	}
	id, named, total := regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`), map[string]bool{}, 0
	for _, f := range readVectors(t) {
		ids, used := map[string]bool{}, map[string]bool{}
		for _, v := range f.Vectors {
			total++
			if !id.MatchString(v.ID) || ids[v.ID] {
				t.Errorf("%s: id %q", f.Kind, v.ID)
			}
			ids[v.ID] = true
			if !slices.Contains([]string{"valid", "invalid", "acceptable"}, v.Result) || !slices.Contains([]string{"", "lenient", "strict"}, v.Profile) {
				t.Errorf("%s/%s: result %q, profile %q", f.Kind, v.ID, v.Result, v.Profile)
			}
			for i, at := range v.Splits {
				if at < 1 || at >= len(v.Bytes) || i > 0 && at <= v.Splits[i-1] {
					t.Errorf("%s/%s: splits %v of %d octets", f.Kind, v.ID, v.Splits, len(v.Bytes))
				}
			}
			for _, flag := range v.Flags {
				_, requirement := conformance.Lookup(flag)
				if !odd[flag] && !requirement && f.Flags[flag] == "" {
					t.Errorf("%s/%s: flag %q", f.Kind, v.ID, flag)
				}
				used[flag], named[flag] = true, true
			}
		}
		for flag := range f.Flags {
			if !used[flag] {
				t.Errorf("%s: no vector has the flag %q", f.Kind, flag)
			}
		}
	}
	if total < 300 {
		t.Errorf("%d vectors", total)
	}
	for _, o := range conformance.OddReplies() {
		if o.Test == "conformance.TestVectors" && !named[o.ID] {
			t.Errorf("no vector has %s", o.ID)
		}
	}
	var schema map[string]any
	text, err := os.ReadFile(filepath.Join("vectors", "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	strict(t, text, &schema)
}

// pieces cuts s in all the ways a vector is tried: not at all, where it says, and into
// single octets.
func (v *vector) pieces() [][]string {
	s := string(v.Bytes)
	all := [][]string{{s}, nil}
	for i := range len(s) {
		all[1] = append(all[1], s[i:i+1])
	}
	if len(v.Splits) > 0 {
		var cut []string
		from := 0
		for _, at := range append(slices.Clone(v.Splits), len(s)) {
			cut = append(cut, s[from:at])
			from = at
		}
		all = append(all, cut)
	}
	return all
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
