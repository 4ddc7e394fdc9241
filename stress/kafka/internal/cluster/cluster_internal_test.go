package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPropertiesOfThreeNodes(t *testing.T) {
	s, err := prepare(Options{Dir: t.TempDir(), Nodes: 3, Session: 5 * time.Second, Idle: 10 * time.Second}, "java", "lib")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.Nodes[1].properties())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"node.id=2", "listener.name.ssl.ssl.client.auth=required", "listener.name.session.connections.max.reauth.ms=5000",
		"connections.max.idle.ms=10000", "offsets.topic.replication.factor=3",
	} {
		if !slices.Contains(strings.Split(string(b), "\n"), line) {
			t.Errorf("no line %q in\n%s", line, b)
		}
	}
	if again, err := Load(s.dir); err != nil || again.ID != s.ID || again.Session != s.Session || !again.Owned() {
		t.Errorf("the state is read as %+v, %v; want %+v", again, err, s)
	}
	used := map[string]bool{}
	for _, n := range s.Nodes {
		for name, addr := range n.Listeners {
			if used[addr] {
				t.Errorf("%s of node %d has an address of another", name, n.ID)
			}
			used[addr] = true
		}
	}
	if err := clear(s.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after clear the folder is still there: %v", err)
	}
}

func TestClearLeavesWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "node1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Down(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node1")); err == nil {
		t.Error("node1 is still there")
	}
}

func TestCertificates(t *testing.T) {
	c, err := makeCerts(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	clientSide, err := c.TLS(true)
	if err != nil {
		t.Fatal(err)
	}
	var (
		host   x509.HostnameError
		expiry x509.CertificateInvalidError
	)
	for _, tt := range []struct {
		file string
		as   any // the error; nil: none
	}{
		{filepath.Join(filepath.Dir(c.CA), brokerFile), nil},
		{c.WrongName, &host},
		{c.Expired, &expiry},
	} {
		pair, err := tls.LoadX509KeyPair(tt.file, tt.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"localhost", "127.0.0.1"} {
			_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: clientSide.RootCAs})
			if tt.as == nil && err != nil || tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("%s for %s: %v, want %T", filepath.Base(tt.file), name, err, tt.as)
			}
		}
	}
}

// TestOnlyNodesAreEnded starts a process that is no node, under the id that a node had.
func TestOnlyNodesAreEnded(t *testing.T) {
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Skip(err)
	}
	ended := make(chan struct{})
	go func() { _ = sleeper.Wait(); close(ended) }() // ends with the process
	defer func() { _ = sleeper.Process.Kill(); <-ended }()
	s := &State{Nodes: []Node{{ID: 1, PID: sleeper.Process.Pid, Dir: t.TempDir()}}}
	if s.Nodes[0].Running() {
		t.Error("a foreign process passes for a node")
	}
	if err := s.killAll(); err != nil {
		t.Error(err)
	}
	if err := sleeper.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the foreign process was ended: %v", err)
	}
}

func TestNodesAreKnownByTheirCommandLine(t *testing.T) {
	dir := t.TempDir()
	// sh keeps its arguments in its command line, as java does.
	s := &State{dir: dir, Java: []string{"sh", "-c", "sleep 60; true"}, Nodes: []Node{{ID: 1, Dir: dir}}}
	n := &s.Nodes[0]
	if err := s.start(n); err != nil {
		t.Skip(err)
	}
	if !n.Running() {
		t.Error("a node that has just been started does not run")
	}
	if err := s.Kill(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if n.Running() {
		t.Error("a node that was killed runs")
	}
	if err := s.Kill(t.Context(), 1); err != nil {
		t.Errorf("killing it again: %v", err)
	}
}

func TestPorts(t *testing.T) {
	ports, err := freePorts(12, 0)
	if err != nil || len(ports) != 12 {
		t.Fatal(ports, err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := freePorts(1, ln.Addr().(*net.TCPAddr).Port); err == nil {
		t.Error("a port on which somebody listens is said to be free")
	}
	if _, err := freePorts(2, 65535); err == nil {
		t.Error("port 65536 is said to be free")
	}
}

func TestJavaVersion(t *testing.T) {
	for text, want := range map[string]int{
		"openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment": 17,
		"java version \"1.8.0_402\"":                                          8,
		"openjdk version \"25\" 2025-09-16 LTS":                               25,
		"no such thing":                                                       0,
	} {
		if got := javaVersion(text); got != want {
			t.Errorf("%q is Java %d, want %d", text, got, want)
		}
	}
}

func TestLockIsHeldUntilUnlock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan func(), 1)
	go func() { // ends with the first unlock
		unlock, err := lock(dir)
		if err != nil {
			t.Error(err)
			unlock = func() {}
		}
		second <- unlock
	}()
	select {
	case <-second:
		t.Error("the lock was given twice")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	(<-second)()
}

func TestUnsecuredToken(t *testing.T) {
	parts := strings.Split(UnsecuredToken("admin", time.Hour), ".")
	if len(parts) != 3 || parts[2] != "" {
		t.Fatalf("token of parts %q, want a header, claims and an empty signature", parts)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !strings.Contains(string(claims), `"sub":"admin"`) {
		t.Errorf("claims %s, %v", claims, err)
	}
}
