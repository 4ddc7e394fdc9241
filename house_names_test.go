package kafkaio_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// vagueFolders say nothing about what is in them.
var vagueFolders = []string{"pkg", "util", "utils", "common", "helper", "helpers", "misc"}

// checkFolder complains about vague folder names and about packages named after
// one of the standard library, which every importer would have to rename.
func checkFolder(importPath string, standardNames map[string]string) []string {
	folder, ok := ours(importPath)
	if !ok || folder == "" {
		return nil
	}
	var complaints []string
	for element := range strings.SplitSeq(folder, "/") {
		if slices.Contains(vagueFolders, element) {
			complaints = append(complaints, fmt.Sprintf("%s: a folder named %s says nothing: name it after what is in it", importPath, element))
		}
	}
	if twin, taken := standardNames[path.Base(folder)]; taken {
		complaints = append(complaints, fmt.Sprintf("%s has the name of %s in the standard library: every file that needs both has to rename one", importPath, twin))
	}
	return complaints
}

// standardNames maps the last element of each public package of the standard
// library to its path.
func standardNames(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatalf("go list std: %v", err)
	}
	names := make(map[string]string)
	for p := range strings.FieldsSeq(string(out)) {
		if elements := strings.Split(p, "/"); !slices.Contains(elements, "internal") && elements[0] != "vendor" {
			names[path.Base(p)] = p
		}
	}
	return names
}

// checkDoc complains about a package without doc.go, or whose doc.go does not
// begin as a package comment does.
func checkDoc(s *source) []string {
	code := s.code()
	if len(code) == 0 {
		return nil // tests only
	}
	for _, f := range code {
		if f.name != "doc.go" {
			continue
		}
		name, text := f.ast.Name.Name, f.ast.Doc.Text()
		begin := "Package " + name + " "
		if name == "main" {
			begin = "Command "
		}
		if !strings.HasPrefix(text, begin) {
			return []string{fmt.Sprintf("%s: the comment in doc.go has to begin with %q", s.path, begin)}
		}
		return nil
	}
	return []string{fmt.Sprintf("%s has no doc.go: each package explains itself there", s.path)}
}

// checkHidesGnet complains about exported names that mention a type of gnet:
// signatures, exported fields, embedded fields, exported methods of exported
// types, exported variables and constants. An unexported alias or renaming does
// not hide it.
func checkHidesGnet(s *source) []string {
	g := &gnetWatch{disguises: make(map[string]bool)}
	// A disguise may be built on another one from any file: repeat until no new
	// one is found.
	for before := -1; before != len(g.disguises); {
		before = len(g.disguises)
		for _, f := range s.code() {
			g.enter(f)
			for _, spec := range typeSpecs(f.ast) {
				if !spec.Name.IsExported() && g.mentions(spec.Type) {
					g.disguises[spec.Name.Name] = true
				}
			}
		}
	}
	var complaints []string
	for _, f := range s.code() {
		g.enter(f)
		if g.dot {
			complaints = append(complaints, fmt.Sprintf("%s/%s imports gnet with a dot, so nobody can see which names are gnet's", s.path, f.name))
		}
		for _, decl := range f.ast.Decls {
			for _, name := range g.exposed(decl) {
				complaints = append(complaints, fmt.Sprintf("%s/%s: exported %s mentions a type of gnet, so no user could live without gnet", s.path, f.name, name))
			}
		}
	}
	return complaints
}

// typeSpecs returns the type declarations at the top of a file.
func typeSpecs(f *ast.File) []*ast.TypeSpec {
	var specs []*ast.TypeSpec
	for _, decl := range f.Decls {
		if d, ok := decl.(*ast.GenDecl); ok {
			for _, spec := range d.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok {
					specs = append(specs, ts)
				}
			}
		}
	}
	return specs
}

// gnetWatch knows under which names gnet goes in one file.
type gnetWatch struct {
	locals    map[string]bool // names of gnet's packages in the current file
	dot       bool            // the current file has gnet's names without any package
	disguises map[string]bool // our unexported types that are gnet's in substance
}

// enter makes f the current file.
func (g *gnetWatch) enter(f *file) {
	g.locals, g.dot = make(map[string]bool), false
	for _, spec := range f.ast.Imports {
		p := strings.Trim(spec.Path.Value, "`\"")
		if !within(p, gnetModule) {
			continue
		}
		name := path.Base(p)
		if p == gnetModule {
			name = "gnet"
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		g.dot = g.dot || name == "."
		g.locals[name] = true
	}
}

// mentions reports whether a type or expression names gnet where a user can
// see it: unexported fields and bodies of functions are our own affair.
func (g *gnetWatch) mentions(n ast.Node) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && g.locals[x.Name] {
				found = true
			}
			return true
		case *ast.Ident:
			found = found || g.disguises[n.Name]
		case *ast.StructType:
			found = found || slices.ContainsFunc(n.Fields.List, g.exposedField)
			return false
		case *ast.InterfaceType:
			found = found || slices.ContainsFunc(n.Methods.List, g.exposedField)
			return false
		case *ast.Field:
			found = found || g.mentions(n.Type) // not the names of parameters
			return false
		case *ast.FuncLit:
			found = found || g.mentions(n.Type)
			return false
		}
		return !found
	})
	return found
}

// exposedField reports whether a field or method that users see mentions gnet.
// One without a name is embedded, and what it has shows through.
func (g *gnetWatch) exposedField(f *ast.Field) bool {
	if len(f.Names) > 0 && !slices.ContainsFunc(f.Names, (*ast.Ident).IsExported) {
		return false
	}
	return g.mentions(f.Type)
}

// exposed returns the exported names of a declaration that mention gnet.
func (g *gnetWatch) exposed(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && exportedReceiver(d) && g.mentions(d.Type) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && (g.mentions(spec.Type) || spec.TypeParams != nil && g.mentions(spec.TypeParams)) {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				names = append(names, g.exposedValues(spec)...)
			}
		}
	}
	return names
}

// exposedValues returns the exported variables or constants of one line, when
// their type or, without a type, their value mentions gnet.
func (g *gnetWatch) exposedValues(spec *ast.ValueSpec) []string {
	shown := spec.Type != nil && g.mentions(spec.Type)
	if spec.Type == nil {
		shown = slices.ContainsFunc(spec.Values, func(e ast.Expr) bool { return g.mentions(e) })
	}
	var names []string
	for _, name := range spec.Names {
		if shown && name.IsExported() {
			names = append(names, name.Name)
		}
	}
	return names
}

// exportedReceiver reports whether a function is none of an unexported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	for _, f := range d.Recv.List {
		t := f.Type
		for {
			switch x := t.(type) {
			case *ast.StarExpr:
				t = x.X
				continue
			case *ast.IndexExpr:
				t = x.X
				continue
			case *ast.IndexListExpr:
				t = x.X
				continue
			case *ast.Ident:
				return token.IsExported(x.Name)
			}
			break
		}
	}
	return true
}

func TestFoldersAreNamedAfterTheirContent(t *testing.T) {
	names := standardNames(t)
	for _, s := range append(scan(t), scanNested(t)...) {
		report(t, checkFolder(s.path, names))
	}
}

func TestPackagesExplainThemselves(t *testing.T) {
	for _, s := range append(scan(t), scanNested(t)...) {
		report(t, checkDoc(s))
	}
}

func TestLibraryHidesGnet(t *testing.T) {
	for _, s := range append(scan(t), scanNested(t)...) {
		if folder, _ := ours(s.path); within(folder, "loop") || within(folder, "kio") {
			report(t, checkHidesGnet(s))
		}
	}
}

func TestCheckFolder(t *testing.T) {
	names := standardNames(t)
	for _, tt := range []struct{ path, want string }{
		{"kafkaio", ""},
		{"kafkaio/loop", ""},
		{"kafkaio/pkg/loop", "named pkg says nothing"},
		{"kafkaio/stress/internal/util", "named util says nothing"},
		{"kafkaio/common", "named common says nothing"},
		{"kafkaio/loop/errors", "name of errors"},
		{"kafkaio/loop/internal/atomic", "name of sync/atomic"},
	} {
		expect(t, tt.path, checkFolder(tt.path, names), tt.want)
	}
}

func TestCheckDoc(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"good", map[string]string{"doc.go": "// Package kio is here.\npackage kio"}, ""},
		{"good command", map[string]string{"doc.go": "// Command stress loads.\npackage main"}, ""},
		{"tests only", map[string]string{"a_test.go": "package kio_test"}, ""},
		{"elsewhere", map[string]string{"kio.go": "// Package kio is here.\npackage kio"}, "has no doc.go"},
		{"empty", map[string]string{"doc.go": "package kio"}, "has to begin with"},
		{"detached", map[string]string{"doc.go": "// Package kio is here.\n\npackage kio"}, "has to begin with"},
		{"another name", map[string]string{"doc.go": "// Package loop is here.\npackage kio"}, "has to begin with"},
	} {
		expect(t, tt.name, checkDoc(parse(t, "kafkaio/kio", tt.files)), tt.want)
	}
}

func TestCheckHidesGnet(t *testing.T) {
	for _, tt := range []struct{ name, decls, want string }{
		{"result", `func Open() (gnet.Conn, error) { return nil, nil }`, "exported Open"},
		{"parameter", `func Use(f func(*gnet.Client)) {}`, "exported Use"},
		{"method", `type Conn struct{}; func (c *Conn) Raw() []gnet.Conn { return nil }`, "exported Raw"},
		{"generic method", `type Box[T any] struct{}; func (b *Box[T]) Raw() gnet.Conn { return nil }`, "exported Raw"},
		{"field", `type Config struct { Options map[string]gnet.Options }`, "exported Config"},
		{"embedded", `type Conn struct { gnet.Conn }`, "exported Conn"},
		{"nested field", `type Config struct { Inner struct { Options gnet.Options } }`, "exported Config"},
		{"interface", `type Handler interface { On(gnet.Conn) }`, "exported Handler"},
		{"embedded interface", `type Handler interface { gnet.EventHandler }`, "exported Handler"},
		{"constraint", `type Set[C gnet.Conn] struct{}`, "exported Set"},
		{"alias", `type Action = gnet.Action`, "exported Action"},
		{"variable", `var Default gnet.Options`, "exported Default"},
		{"value", `var Default = gnet.Options{}`, "exported Default"},
		{"constant", `const ( a = 1; Shut = gnet.Shutdown )`, "exported Shut"},
		{"disguised alias", `type raw = gnet.Conn; func Open() raw { return nil }`, "exported Open"},
		{"disguised twice", `type conns []raw; type raw gnet.Conn; func Open() conns { return nil }`, "exported Open"},
		{"disguised embedding", `type raw struct { gnet.Conn }; type Conn struct { *raw }`, "exported Conn"},
		{"unexported field", `type Conn struct { raw gnet.Conn }`, ""},
		{"unexported field twice", `type inner struct { raw gnet.Conn }; type Conn struct { in inner }`, ""},
		{"unexported receiver", `type driver struct{}; func (d *driver) OnOpen(c gnet.Conn) ([]byte, gnet.Action) { return nil, 0 }`, ""},
		{"unexported function", `func open() gnet.Conn { return nil }`, ""},
		{"body", `func Open() { var c gnet.Conn; _ = c }`, ""},
		{"typed value", `var Now func() = func() { gnet.Stop() }`, ""},
		{"function value", `var Now = func() { gnet.Stop() }`, ""},
		{"parameter of that name", `func Open(gnet string) {}`, ""},
	} {
		for _, file := range []string{
			"package loop\nimport \"" + gnetModule + "\"\n" + tt.decls,
			"package loop\nimport engine \"" + gnetModule + "\"\n" + strings.ReplaceAll(tt.decls, "gnet.", "engine."),
		} {
			expect(t, tt.name, checkHidesGnet(parse(t, "kafkaio/loop", map[string]string{"a.go": file})), tt.want)
		}
	}
	dotted := parse(t, "kafkaio/loop", map[string]string{"a.go": "package loop\nimport . \"" + gnetModule + "\""})
	expect(t, "dot", checkHidesGnet(dotted), "with a dot")
	other := parse(t, "kafkaio/loop", map[string]string{"a.go": "package loop\nimport \"example.org/gnet\"\nfunc Open() gnet.Conn { return nil }"})
	expect(t, "another gnet", checkHidesGnet(other), "")
}
