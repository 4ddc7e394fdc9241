package kafkaio_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path of the root.
const module = "kafkaio"

// source is one package as its files tell it, for every platform and build tag
// at once: go list would leave out the files that do not build here.
type source struct {
	path  string // import path
	files []*file
}

// file is one parsed Go file.
type file struct {
	name string // without folder
	test bool   // _test.go
	ast  *ast.File
}

// imports returns the import paths of the code, or of the tests, sorted.
func (s *source) imports(tests bool) []string {
	var paths []string
	for _, f := range s.files {
		if f.test != tests {
			continue
		}
		for _, spec := range f.ast.Imports {
			paths = append(paths, strings.Trim(spec.Path.Value, "`\""))
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// code returns the files that are not tests.
func (s *source) code() []*file {
	var code []*file
	for _, f := range s.files {
		if !f.test {
			code = append(code, f)
		}
	}
	return code
}

// parse turns file names and texts into a source, for synthetic examples.
func parse(t *testing.T, importPath string, texts map[string]string) *source {
	t.Helper()
	s := &source{path: importPath}
	for name, text := range texts {
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, &file{name: name, test: strings.HasSuffix(name, "_test.go"), ast: f})
	}
	return s
}

// scan parses every package of this module: nested modules, testdata and hidden
// folders do not belong to it. A file that does not parse is taken as far as it
// goes: the compiler complains about the rest.
func scan(t *testing.T) []*source {
	t.Helper()
	return scanFrom(t, ".")
}

// scanNested parses the packages of the modules below kio, which are part of what a
// user calls, and for which the same rules hold.
func scanNested(t *testing.T) []*source {
	t.Helper()
	found, err := filepath.Glob("kio/*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var sources []*source
	for _, gomod := range found {
		sources = append(sources, scanFrom(t, filepath.Dir(gomod))...)
	}
	return sources
}

// scanFrom is scan for the module in root.
func scanFrom(t *testing.T, root string) []*source {
	t.Helper()
	var sources []*source
	byFolder := make(map[string]*source)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == root {
				return nil
			}
			_, noModule := os.Stat(filepath.Join(name, "go.mod"))
			if base := d.Name(); noModule == nil || base == "testdata" || base[0] == '.' || base[0] == '_' {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		parsed, _ := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if parsed == nil {
			return nil
		}
		folder := filepath.Dir(name)
		s := byFolder[folder]
		if s == nil {
			s = &source{path: path.Join(module, filepath.ToSlash(folder))}
			byFolder[folder] = s
			sources = append(sources, s)
		}
		s.files = append(s.files, &file{name: d.Name(), test: strings.HasSuffix(name, "_test.go"), ast: parsed})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) == 0 {
		t.Fatal("no package found")
	}
	return sources
}

// listed is what go list says of one package.
type listed struct {
	ImportPath string
	Standard   bool
	Deps       []string
}

// goList runs go list in this module.
func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Standard,Deps"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.Bytes())
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := d.Decode(&p); err {
		case nil:
			packages = append(packages, p)
		case io.EOF:
			return packages
		default:
			t.Fatalf("%v: %v", cmd.Args, err)
		}
	}
}

// report fails the test with each complaint.
func report(t *testing.T, complaints []string) {
	t.Helper()
	for _, c := range complaints {
		t.Error(c)
	}
}

// expect checks that complaints name the wanted word, or that there are none
// for want "".
func expect(t *testing.T, name string, complaints []string, want string) {
	t.Helper()
	all := strings.Join(complaints, "\n")
	if want == "" && all != "" || !strings.Contains(all, want) {
		t.Errorf("%s: complaints %q; want %q", name, all, want)
	}
}

func TestScanSeesWhatGoListSees(t *testing.T) {
	scanned := make(map[string]bool)
	for _, s := range scan(t) {
		scanned[s.path] = true
	}
	for _, p := range goList(t, "./...") {
		if !scanned[p.ImportPath] {
			t.Errorf("%s is a package of the module but was not scanned, so no rule was checked on it", p.ImportPath)
		}
	}
}
