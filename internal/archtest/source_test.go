package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/parley-mail/parley"

// file is one Go file of the tree, whatever its build tags.
type file struct {
	name    string // below the root, with slashes
	pkg     string // the directory, "." for the root package
	test    bool
	ast     *ast.File
	fset    *token.FileSet
	imports []string
}

// at returns file:line for a message.
func (f file) at(p token.Pos) string {
	return f.name + ":" + strconv.Itoa(f.fset.Position(p).Line)
}

// root is the top of the tree, where go.mod is.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// source parses every Go file of the tree, nested modules too.
func source(t *testing.T) []file {
	t.Helper()
	top := root(t)
	fset := token.NewFileSet()
	var files []file
	walk(t, top, func(name string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		tree, err := parser.ParseFile(fset, filepath.Join(top, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		f := file{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), ast: tree, fset: fset}
		for _, i := range tree.Imports {
			target, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Error(err)
			}
			f.imports = append(f.imports, target)
		}
		files = append(files, f)
	})
	if len(files) == 0 {
		t.Fatal("no source found")
	}
	return files
}

// walk calls visit for every file that belongs to the project, by its name below top.
func walk(t *testing.T, top string, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != top && (base == "testdata" || strings.HasPrefix(base, ".") && base != ".ci") {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		below, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(below))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// matches reports whether a package falls under a pattern of the tables: "*" and
// "..." are any, "a/..." is a and all below, public is what users can import, else
// the name itself.
func matches(pattern, pkg string) bool {
	switch pattern {
	case "*", "...":
		return true
	case public:
		return !strings.Contains("/"+pkg+"/", "/internal/") && !matches("cmd/...", pkg)
	}
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == tree || strings.HasPrefix(pkg, tree+"/")
	}
	return pattern == pkg
}

// within reports whether an import path is the module or package, or below it.
func within(target, module string) bool {
	return module == "*" || target == module || strings.HasPrefix(target, module+"/")
}

// isStd reports whether an import path is of the standard library.
func isStd(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return !strings.Contains(first, ".")
}

// own returns the package below the root that an import path names.
func own(target string) (string, bool) {
	if target == module {
		return ".", true
	}
	return strings.CutPrefix(target, module+"/")
}
