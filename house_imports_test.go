package kafkaio_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Modules that the rules name.
const (
	gnetModule = "github.com/panjf2000/gnet/v2"
	goleak     = "go.uber.org/goleak"
	xsys       = "golang.org/x/sys"
	kmsg       = "github.com/twmb/franz-go/pkg/kmsg"
	sasl       = "github.com/twmb/franz-go/pkg/sasl"
	xproxy     = "golang.org/x/net/proxy"
	prometheus = "github.com/prometheus/client_golang/prometheus"
	promModel  = "github.com/prometheus/client_model"
)

// anything stands for every module that is not banned elsewhere in a layer.
const anything = "*"

// layer says what the packages of one folder may import besides the standard
// library and their own folder. The longest folder that fits decides. All lists
// hold for the path itself and for everything below it.
type layer struct {
	folder  string   // below the module; "" is the root package alone
	own     []string // packages of this module
	foreign []string // other modules
	not     []string // forbidden in spite of the rest, the standard library included
	why     string
}

// heavy are clients and tools that would follow every user of the command.
var heavy = []string{
	"github.com/twmb/franz-go/pkg/kgo", "github.com/IBM/sarama", "github.com/segmentio/kafka-go",
	"github.com/confluentinc", "github.com/Shopify/toxiproxy/v2", "go.k6.io",
}

var layers = []layer{
	{
		folder: "frame",
		not:    []string{"context", "log", "net", "os", "sync", "syscall", "time"},
		why:    "frame is bytes in, bytes out: no I/O, clock, goroutine or lock, and the standard library only, so that everything can be tested by its input",
	},
	{
		folder: "syscalls", foreign: []string{xsys},
		why: "syscalls is one thin function for each system call: it holds no policy and knows no other package",
	},
	{
		folder: "loop", own: []string{"frame", "syscalls", "internal/invariants"}, foreign: []string{gnetModule, xsys},
		why: "loop stands on frame and syscalls and alone knows gnet; it knows nothing of the clients above it",
	},
	{
		folder: "kio", own: []string{"loop", "frame", "internal/invariants"}, foreign: []string{kmsg, sasl, xproxy}, not: []string{module + "/kio/kioprom"},
		why: "kio is blocking calls over loop: descriptors and gnet are hidden below it, or the driver could not be exchanged; what needs more modules is a nested one",
	},
	{
		folder: "kio/kioprom", own: []string{"kio", "frame"}, foreign: []string{prometheus, promModel, kmsg}, not: []string{prometheus + "/promhttp", prometheus + "/promauto", prometheus + "/push"},
		why: "kioprom is a user of kio that collects: what it cannot reach is a gap in kio, and registering and serving are the program's",
	},
	{
		folder: "stress", own: []string{"kio", "frame"}, foreign: []string{anything}, not: append([]string{gnetModule}, heavy...),
		why: "stress is a user of kio: what it needs and cannot reach is a gap in kio; only its responder serves with gnet; heavy modules live in nested modules below stress/",
	},
	{
		folder: "stress/internal/responder", own: []string{"frame", "stress"}, foreign: []string{anything}, not: heavy,
		why: "the responder is the other side of the wire: gnet's server and frame, but nothing of the client that it answers",
	},
	{
		folder: "internal/hostile",
		why:    "a peer that shares the code under test shares its bugs: hostile frames with the standard library alone",
	},
	{
		folder: "internal/leak", foreign: []string{goleak},
		why: "leak checks every package and may know none of them",
	},
	{
		folder: "internal/invariants",
		why:    "invariants is compiled into every package that asks for it and may know none of them",
	},
	{folder: "", why: "the root package only explains the folders"},
}

// layerOf returns the layer of a package of this module, or nil.
func layerOf(importPath string) *layer {
	folder := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	var best *layer
	for i := range layers {
		l := &layers[i]
		fits := folder == l.folder || l.folder != "" && within(folder, l.folder)
		if fits && (best == nil || len(l.folder) > len(best.folder)) {
			best = l
		}
	}
	return best
}

// within reports whether p is folder or below it.
func within(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

// withinAny is [within] for a list.
func withinAny(p string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(p, folder) })
}

// ours returns the path below the module, for a package of this module.
func ours(importPath string) (folder string, ok bool) {
	if !within(importPath, module) {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"), true
}

// standard reports whether an import path is one of the standard library: its
// first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".") && !within(importPath, module) && importPath != "C"
}

// allows reports whether code in this layer may import a package.
func (l *layer) allows(importPath string) bool {
	if withinAny(importPath, l.not) {
		return false
	}
	if folder, ok := ours(importPath); ok {
		return folder != "" && (l.folder != "" && within(folder, l.folder) || withinAny(folder, l.own))
	}
	return standard(importPath) || withinAny(importPath, l.foreign) ||
		slices.Contains(l.foreign, anything) && importPath != "C"
}

// allowsTest reports whether tests in this layer may import a package: what its
// code may, the test support, and any module, but gnet only where the code may.
func (l *layer) allowsTest(importPath string) bool {
	if folder, ok := ours(importPath); ok {
		return l.folder == "" || within(folder, "internal") || l.allows(importPath)
	}
	if within(importPath, gnetModule) {
		return l.allows(importPath)
	}
	return importPath != "C"
}

// checkImports complains about every import that its layer does not allow.
func checkImports(importPath string, imports, testImports []string) []string {
	l := layerOf(importPath)
	if l == nil {
		return []string{fmt.Sprintf("%s stands in no layer: decide what it may import and add it to the layers of this test, to depguard and to DESIGN.md", importPath)}
	}
	var complaints []string
	for _, p := range imports {
		if !l.allows(p) {
			complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", importPath, p, l.why))
		}
	}
	for _, p := range testImports {
		if !l.allowsTest(p) {
			complaints = append(complaints, fmt.Sprintf("%s imports %s in its tests: %s", importPath, p, l.why))
		}
	}
	return complaints
}

// testSupport is what must not become part of a program, at any distance.
var testSupport = []string{module + "/internal/hostile", module + "/internal/leak", goleak}

// checkDeps complains about the whole closure of a package: test support in
// what ships, and anything foreign under frame.
func checkDeps(importPath string, deps []string) []string {
	folder, _ := ours(importPath)
	if within(folder, "internal") {
		return nil
	}
	var complaints []string
	for _, p := range deps {
		if withinAny(p, testSupport) {
			complaints = append(complaints, fmt.Sprintf("%s depends on %s: test support must not ship", importPath, p))
		}
		if within(p, module+"/frame") && within(folder, "syscalls") || within(p, module+"/syscalls") && within(folder, "frame") {
			complaints = append(complaints, fmt.Sprintf("%s depends on %s: frame and syscalls are siblings that never meet", importPath, p))
		}
	}
	return complaints
}

func TestImportsPointDownwards(t *testing.T) {
	for _, s := range append(scan(t), scanNested(t)...) {
		report(t, checkImports(s.path, s.imports(false), s.imports(true)))
	}
}

func TestNoTestSupportShips(t *testing.T) {
	for _, p := range goList(t, "./...") {
		report(t, checkDeps(p.ImportPath, p.Deps))
	}
}

// Prometheus is for those who import the nested module: in the go.mod of this one it would be in everybody's.
func TestPrometheusStaysInItsModule(t *testing.T) {
	if strings.Contains(mustRead(t, "go.mod"), "prometheus") {
		t.Error("go.mod requires Prometheus: what needs it belongs to kio/kioprom")
	}
	if len(scanNested(t)) == 0 {
		t.Error("no module below kio was found, so no rule was checked on it")
	}
}

func TestCheckImports(t *testing.T) {
	for _, tt := range []struct {
		from, imports string
		code, tests   bool // allowed in code, in tests
	}{
		{"kafkaio/frame", "encoding/binary", true, true},
		{"kafkaio/frame", "net", false, true},
		{"kafkaio/frame", "time", false, true},
		{"kafkaio/frame", "sync/atomic", false, true},
		{"kafkaio/frame", "syscall", false, true},
		{"kafkaio/frame", "golang.org/x/sys/unix", false, true},
		{"kafkaio/frame", "kafkaio/syscalls", false, false},
		{"kafkaio/frame", "kafkaio/loop", false, false},
		{"kafkaio/frame", "kafkaio/internal/invariants", false, true},
		{"kafkaio/frame", "kafkaio/internal/leak", false, true},
		{"kafkaio/frame", "C", false, false},
		{"kafkaio/syscalls", "golang.org/x/sys/unix", true, true},
		{"kafkaio/syscalls", "golang.org/x/net/proxy", false, true},
		{"kafkaio/syscalls", "kafkaio/frame", false, false},
		{"kafkaio/syscalls", "kafkaio/kio", false, false},
		{"kafkaio/syscalls", gnetModule, false, false},
		{"kafkaio/loop", "kafkaio/frame", true, true},
		{"kafkaio/loop", "kafkaio/syscalls", true, true},
		{"kafkaio/loop", "kafkaio/loop/internal/ring", true, true},
		{"kafkaio/loop", "kafkaio/internal/invariants", true, true},
		{"kafkaio/loop", gnetModule + "/pkg/logging", true, true},
		{"kafkaio/loop", "kafkaio/kio", false, false},
		{"kafkaio/loop", "kafkaio/stress/internal/pace", false, false},
		{"kafkaio/loop", "kafkaio/internal/hostile", false, true},
		{"kafkaio/loop", kmsg, false, true},
		{"kafkaio/loop/internal/ring", "kafkaio/frame", true, true},
		{"kafkaio/kio", "kafkaio/loop", true, true},
		{"kafkaio/kio", sasl + "/scram", true, true},
		{"kafkaio/kio", "kafkaio/syscalls", false, false},
		{"kafkaio/kio", gnetModule, false, false},
		{"kafkaio/kio", "golang.org/x/sys/unix", false, true},
		{"kafkaio/kio", prometheus, false, true},
		{"kafkaio/kio", "kafkaio/kio/kioprom", false, false},
		{"kafkaio/kio/kioprom", prometheus, true, true},
		{"kafkaio/kio/kioprom", prometheus + "/testutil", true, true},
		{"kafkaio/kio/kioprom", prometheus + "/promhttp", false, true},
		{"kafkaio/kio/kioprom", "kafkaio/kio", true, true},
		{"kafkaio/kio/kioprom", "kafkaio/loop", false, false},
		{"kafkaio/kio/kioprom", "kafkaio/internal/leak", false, true},
		{"kafkaio/kio", "github.com/twmb/franz-go/pkg/kgo", false, true},
		{"kafkaio/kio", "kafkaio", false, false},
		{"kafkaio/kio", "kafkaio/internal/leak", false, true},
		{"kafkaio/stress", "kafkaio/kio", true, true},
		{"kafkaio/stress", "github.com/spf13/cobra", true, true},
		{"kafkaio/stress", "kafkaio/loop", false, false},
		{"kafkaio/stress", "kafkaio/syscalls", false, false},
		{"kafkaio/stress", gnetModule, false, false},
		{"kafkaio/stress", "github.com/twmb/franz-go/pkg/kgo", false, true},
		{"kafkaio/stress/internal/pace", gnetModule, false, false},
		{"kafkaio/stress/internal/responder", gnetModule, true, true},
		{"kafkaio/stress/internal/responder", "kafkaio/kio", false, false},
		{"kafkaio/internal/hostile", "net", true, true},
		{"kafkaio/internal/hostile", "kafkaio/frame", false, false},
		{"kafkaio/internal/hostile", "kafkaio/internal/leak", false, true},
		{"kafkaio/internal/leak", goleak, true, true},
		{"kafkaio/internal/leak", "kafkaio/loop", false, false},
		{"kafkaio", "kafkaio/kio", false, true},
		{"kafkaio/framework", "net", false, false}, // not below frame: no layer
	} {
		if got := checkImports(tt.from, []string{tt.imports}, nil); (len(got) == 0) != tt.code {
			t.Errorf("code of %s importing %s: complaints %q; want it allowed: %t", tt.from, tt.imports, got, tt.code)
		}
		if got := checkImports(tt.from, nil, []string{tt.imports}); (len(got) == 0) != tt.tests {
			t.Errorf("tests of %s importing %s: complaints %q; want it allowed: %t", tt.from, tt.imports, got, tt.tests)
		}
	}
}

func TestCheckImportsGivesTheReason(t *testing.T) {
	expect(t, "arrow back", checkImports("kafkaio/frame", []string{"kafkaio/loop"}, nil), "bytes in, bytes out")
	expect(t, "new folder", checkImports("kafkaio/extra", nil, nil), "stands in no layer")
}

func TestCheckDeps(t *testing.T) {
	for _, tt := range []struct{ from, dep, want string }{
		{"kafkaio/kio", "kafkaio/internal/hostile", "must not ship"},
		{"kafkaio/stress", goleak + "/internal/stack", "must not ship"},
		{"kafkaio/internal/leak", goleak, ""},
		{"kafkaio/kio", "kafkaio/syscalls", ""},
		{"kafkaio/syscalls", "kafkaio/frame", "never meet"},
		{"kafkaio/frame", "kafkaio/syscalls", "never meet"},
	} {
		expect(t, tt.from+" on "+tt.dep, checkDeps(tt.from, []string{tt.dep}), tt.want)
	}
}

func TestImportsOfEverySourceAreRead(t *testing.T) {
	s := parse(t, "kafkaio/kio", map[string]string{
		"a_windows.go": "package kio\nimport x \"kafkaio/syscalls\"\nvar _ = x.Dup",
		"b.go":         "//go:build never\npackage kio\nimport _ `" + gnetModule + "`",
		"c_test.go":    "package kio_test\nimport _ \"" + goleak + "\"",
	})
	if got := len(checkImports(s.path, s.imports(false), s.imports(true))); got != 2 {
		t.Errorf("%d complaints; want 2, whatever platform and tags", got)
	}
}
