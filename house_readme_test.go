package kafkaio_test

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// snippet is one fenced block of Go in a Markdown text.
type snippet struct {
	line int // of its first line of code, from 1
	code string
}

// goSnippets returns the blocks fenced as ```go.
func goSnippets(markdown string) []snippet {
	var (
		found  []snippet
		open   bool // inside any fence
		isGo   bool // inside one that is marked as Go
		number int
	)
	for text := range strings.Lines(markdown) {
		number++
		info, fence := strings.CutPrefix(strings.TrimSpace(text), "```")
		switch {
		case fence && !open:
			word, _, _ := strings.Cut(info, " ")
			open, isGo = true, word == "go"
			if isGo {
				found = append(found, snippet{line: number + 1})
			}
		case fence:
			open, isGo = false, false
		case isGo:
			found[len(found)-1].code += text
		}
	}
	return found
}

// checkSnippets complains about snippets that are no whole file or do not
// compile against the module in root.
func checkSnippets(t *testing.T, root, name, markdown string) []string {
	t.Helper()
	var (
		complaints []string
		whole      []snippet
	)
	for _, s := range goSnippets(markdown) {
		if _, err := parser.ParseFile(token.NewFileSet(), "", s.code, parser.PackageClauseOnly); err != nil {
			complaints = append(complaints, fmt.Sprintf("%s:%d: Go without a package clause cannot be compiled: make it a program, or mark signatures as ```text", name, s.line))
			continue
		}
		whole = append(whole, s)
	}
	if len(whole) == 0 {
		return complaints
	}
	if out, err := vet(t, root, name, whole); err != nil {
		complaints = append(complaints, fmt.Sprintf("programs in %s: %v\n%s", name, err, out))
	}
	return complaints
}

// vet builds and vets snippets as a user outside the module would, in a module
// of their own that takes this one from root and all others from the module
// cache in the versions of root.
func vet(t *testing.T, root, name string, snippets []snippet) ([]byte, error) {
	t.Helper()
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	gomod := strings.Replace(mustRead(t, filepath.Join(root, "go.mod")), "module "+module+"\n", "module readme.example\n", 1)
	gomod += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %q\n", module, module, filepath.ToSlash(root))
	mustWrite(t, filepath.Join(folder, "go.mod"), gomod)
	mustWrite(t, filepath.Join(folder, "go.sum"), mustRead(t, filepath.Join(root, "go.sum")))
	for _, s := range snippets {
		program := filepath.Join(folder, fmt.Sprintf("line%d", s.line))
		if err := os.Mkdir(program, 0o755); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(program, "main.go"), fmt.Sprintf("//line %s:%d\n%s", name, s.line, s.code))
	}
	cmd := exec.Command("go", "vet", "./...")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "PWD="+folder)
	return cmd.CombinedOutput()
}

func mustRead(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustWrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadmeCompiles(t *testing.T) {
	markdown, err := os.ReadFile("README.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no README.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkSnippets(t, ".", "README.md", string(markdown)))
}

func TestCheckSnippets(t *testing.T) {
	program := func(imports, body string) string {
		return "text\n```go\n// A program.\npackage main\n\n" + imports + "\n\nfunc main() {\n" + body + "\n}\n```\nmore text\n"
	}
	for _, tt := range []struct{ name, markdown, want string }{
		{"no Go", "# Title\n```sh\nmake\n```\n```text\nfunc F()\n```\n", ""},
		{"a program", program(`import _ "kafkaio"`, ""), ""},
		{"two programs", program("", "") + program("", ""), ""},
		{"another package", "```go\npackage probe\n```\n", ""},
		{"an unknown name", program(`import "kafkaio"`, "kafkaio.Nothing()"), "README.md:9"},
		{"an internal package", program(`import _ "kafkaio/internal/hostile"`, ""), "use of internal package"},
		{"an unused variable", program("", "x := 1"), "declared and not used: x"},
		{"what vet finds", program(`import "fmt"`, `fmt.Printf("%d", "x")`), "wrong type"},
		{"a signature", "```go\nfunc F()\n```\n", "README.md:2: Go without a package clause"},
		{"a signature with a title", "``` go\n```\n```go title\nfunc F()\n```\n", "README.md:4: Go without a package clause"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, tt.name, checkSnippets(t, ".", "README.md", tt.markdown), tt.want)
		})
	}
}

func TestGoSnippets(t *testing.T) {
	got := goSnippets("a\n```go\none\ntwo\n```\n~\n```\ngo\n```\n  ```go\nthree\n  ```\n```gomod\nx\n```\n")
	want := []snippet{{3, "one\ntwo\n"}, {11, "three\n"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("snippets %+v; want %+v", got, want)
	}
}
