package parley_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
)

var update = flag.Bool("update", false, "write golden files")

// docs/class.md is what the tables say.
func TestClassDoc(t *testing.T) {
	const name = "docs/class.md"
	want := classDoc(t)
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale: go generate . (-want +got):\n%s", name, diff)
	}
}

// classDoc writes the page.
func classDoc(t *testing.T) string {
	var b strings.Builder
	b.WriteString(classIntro)
	comments := methodComments(t)
	settings := map[string]parley.Setting{}
	for _, s := range parley.Settings() {
		settings[s.Name] = s
	}
	kind := parley.SurfaceKind(99)
	for _, r := range parley.Surface() {
		if r.Kind != kind {
			kind = r.Kind
			b.WriteString(classHeads[kind])
		}
		name := "`" + r.Name + "`"
		switch kind {
		case parley.RowProperty, parley.RowSetting:
			s := settings[r.Name]
			def := "`" + s.Default + "`"
			if s.Default == "" {
				def = ""
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, golang(r.Symbol), cell(traits(s)), cell(def), cell(said(s.Doc, s.Ref, r)))
		case parley.RowMethod:
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, cell(flagged(r.Flag)), cell(said(comments[r.Name], "", r)))
		case parley.RowEvent:
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, cell(parameters[r.Name]), cell(said(comments["event "+r.Name], "", r)))
		}
	}
	b.WriteString(classCodes())
	return b.String()
}

// golang is a symbol as one writes it.
func golang(symbol string) string {
	switch typ, name, ok := strings.Cut(symbol, "."); {
	case !ok:
		return "`parley." + symbol + "()`"
	case typ == "Firewall":
		return "`s.Firewall." + name + "`"
	default:
		if _, is := reflect.TypeFor[*parley.SMTP]().MethodByName(name); is {
			return "`s." + name + "()`"
		}
		return "`s." + name + "`"
	}
}

// traits are type and restrictions of a setting.
func traits(s parley.Setting) string {
	t := s.Type
	if s.Allowed != "" && s.Type != "yes or no" && s.Type != "seconds" && s.Type != "milliseconds" {
		t = s.Allowed
	}
	if s.ReadOnly {
		t += "; read only"
	}
	if s.Frozen {
		t += "; not while connected"
	}
	return t
}

// said joins what is known of a row.
func said(text, ref string, r parley.SurfaceRow) string {
	if ref != "" {
		text += " " + ref + "."
	}
	if r.Status != parley.Works {
		text += " **Limit:** " + r.Note + "."
	} else if r.Note != "" {
		text += " " + strings.ToUpper(r.Note[:1]) + r.Note[1:] + "."
	}
	return strings.TrimSpace(text)
}

func flagged(flag string) string {
	if flag == "" {
		return ""
	}
	return "`" + flag + "`"
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", "\\|"), "\n", " ") }

// parameters are the fields of the documented events.
var parameters = func() map[string]string {
	all := map[string]string{}
	for name, t := range map[string]reflect.Type{
		"ConnectionStatus": reflect.TypeFor[events.ConnectionStatus](), "PITrail": reflect.TypeFor[events.PITrail](),
		"StartTransfer": reflect.TypeFor[events.StartTransfer](), "Transfer": reflect.TypeFor[events.Transfer](), "EndTransfer": reflect.TypeFor[events.EndTransfer](),
		"Expand": reflect.TypeFor[events.Expand](), "Error": reflect.TypeFor[events.Error](),
		"SSLServerAuthentication": reflect.TypeFor[events.SSLServerAuthentication](), "SSLStatus": reflect.TypeFor[events.SSLStatus](),
	} {
		var fields []string
		for i := 1; i < t.NumField(); i++ { // the first is Meta
			fields = append(fields, t.Field(i).Name+" "+strings.ReplaceAll(t.Field(i).Type.String(), "uint8", "byte"))
		}
		all[name] = "`" + strings.Join(fields, ", ") + "`"
	}
	return all
}()

// methodComments are the first sentences of the comments on methods, and on events.
func methodComments(t *testing.T) map[string]string {
	files := func(dir string) (*token.FileSet, []*ast.File) {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		var all []*ast.File
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		return set, all
	}
	found := map[string]string{}
	set, all := files(".")
	p, err := doc.NewFromFiles(set, all, "parley")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range p.Types {
		for _, m := range typ.Methods {
			if typ.Name == "SMTP" {
				found[m.Name] = p.Synopsis(m.Doc)
			}
		}
	}
	_, all = files("events")
	for _, f := range all {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok && s.Doc != nil {
				text := strings.TrimSpace(strings.Join(strings.Fields(s.Doc.Text()), " "))
				_, after, _ := strings.Cut(text, ": ")
				found["event "+s.Name.Name] = after
			}
			return true
		})
	}
	return found
}
