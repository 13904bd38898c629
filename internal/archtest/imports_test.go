package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed reports whether a row of the table lets pkg import target.
func allowed(table []row, pkg string, match func(to string) bool) bool {
	return slices.ContainsFunc(table, func(r row) bool { return matches(r.from, pkg) && match(r.to) })
}

func TestImports(t *testing.T) {
	for _, f := range source(t) {
		for _, target := range f.imports {
			switch pkg, isOurs := own(target); {
			case isOurs:
				checkOurs(t, f, pkg)
			case isStd(target):
			default:
				checkOutside(t, f, target)
			}
			if f.test {
				continue
			}
			for _, o := range only {
				if f.pkg == o.pkg && target == o.to && f.name != o.file {
					t.Errorf("%s imports %s: only %s may", f.name, target, o.file)
				}
			}
			for _, b := range bans {
				exact := target == b.to || b.to == "net" && target == "net/http" || b.to == "os" && strings.HasPrefix(target, "os/")
				if matches(b.from, f.pkg) && exact && !allowed(pardons, f.pkg, func(to string) bool { return to == target }) {
					t.Errorf("%s imports %s: %s", f.name, target, b.because)
				}
			}
		}
	}
}

func checkOurs(t *testing.T, f file, pkg string) {
	t.Helper()
	switch {
	case matches("cmd/...", pkg) && !matches("cmd/...", f.pkg):
		t.Errorf("%s imports the command: nobody does", f.name)
	case f.test || f.pkg == pkg:
	case !allowed(ours, f.pkg, func(to string) bool { return matches(to, pkg) }):
		t.Errorf("%s imports %s: no row in rules_test.go allows it", f.name, pkg)
	}
}

func checkOutside(t *testing.T, f file, target string) {
	t.Helper()
	into := func(to string) bool { return within(target, to) }
	ok := allowed(outside, f.pkg, into) || f.test && allowed(tests, f.pkg, into)
	if !ok {
		t.Errorf("%s imports %s: no row in rules_test.go allows it", f.name, target)
	}
}

// The tables themselves: each row has a reason, and the order shows no arrow up.
func TestTables(t *testing.T) {
	for _, table := range [][]row{ours, outside, tests, bans, pardons, deep} {
		for _, r := range table {
			if r.from == "" || r.to == "" || r.because == "" {
				t.Errorf("incomplete row %+v", r)
			}
		}
	}
	order := []string{"fsm", "codec", "auth", "message", "events", "session", "transport", "queue", ".", "conformance"}
	rank := func(pkg string) int {
		return slices.IndexFunc(order, func(o string) bool { return matches(o+"/...", pkg) || o == pkg })
	}
	for _, r := range ours {
		from, to := rank(strings.TrimSuffix(r.from, "/...")), rank(strings.TrimSuffix(r.to, "/..."))
		if from >= 0 && to > from {
			t.Errorf("%s may import %s: an arrow up", r.from, r.to)
		}
	}
}

// What the core may not import it must not reach through others either, as far
// as the table deep says.
func TestDeepImports(t *testing.T) {
	for _, r := range deep {
		cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath", "./"+r.from)
		cmd.Dir = root(t)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		decoder := json.NewDecoder(bytes.NewReader(out))
		for {
			var p struct{ ImportPath string }
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if p.ImportPath == r.to {
				t.Errorf("%s reaches %s: %s", r.from, r.to, r.because)
			}
		}
	}
}

// The core reads no clock and starts no goroutine.
func TestCoreIsDeafAndTimeless(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range source(t) {
		if f.test || !slices.Contains(core, f.pkg) {
			continue
		}
		seen[f.pkg] = true
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine in the core", f.at(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s: time.%s in the core", f.at(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
	for _, pkg := range core {
		if !seen[pkg] {
			t.Errorf("no source of %s found", pkg)
		}
	}
}
