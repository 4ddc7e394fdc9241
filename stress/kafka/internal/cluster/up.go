package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"kafkaio/stress/kafka"
)

// Defaults of Options.
const (
	DefaultSession = 5 * time.Second
	DefaultIdle    = 10 * time.Second
	maxNodes       = 9
)

// Options shape a cluster. The zero value but for Dir is one node.
type Options struct {
	Dir       string        // where everything goes; made if it is not there
	Nodes     int           // 0 is 1, at most 9
	FirstPort int           // of ports in a row, six a node; 0 looks for free ones
	Session   time.Duration // of the SESSION listener; 0 is DefaultSession
	Idle      time.Duration // after which brokers close a connection; 0 is DefaultIdle
	Progress  io.Writer     // told what goes on; nil is silence
}

func (o *Options) withDefaults() error {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Session == 0 {
		o.Session = DefaultSession
	}
	if o.Idle == 0 {
		o.Idle = DefaultIdle
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	switch {
	case o.Nodes < 1 || o.Nodes > maxNodes:
		return fmt.Errorf("%d nodes: want 1 to %d", o.Nodes, maxNodes)
	case o.Session < time.Second:
		return fmt.Errorf("sessions of %v: want at least 1s", o.Session)
	case o.Idle < time.Second:
		return fmt.Errorf("an idle time of %v: want at least 1s", o.Idle)
	}
	var err error
	o.Dir, err = filepath.Abs(o.Dir)
	return err
}

// Up starts a cluster and returns when it answers. A cluster of as many nodes that runs already is left as it is and returned. After an error nothing
// runs; the logs of the nodes are still there.
func Up(ctx context.Context, o Options) (*State, error) {
	if err := o.withDefaults(); err != nil {
		return nil, err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(o.Progress, format+"\n", args...) }
	unlock, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s, err := running(ctx, o); s != nil || err != nil {
		return s, err
	}
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	lib, err := jars(ctx, say)
	if err != nil {
		return nil, err
	}
	s, err := prepare(o, java, lib)
	if err != nil {
		return nil, err
	}
	say("formatting the storage of %d node(s)", o.Nodes)
	if err := s.format(ctx, java, lib); err != nil {
		return nil, err
	}
	began := time.Now()
	say("starting Kafka %s", kafka.Version)
	for i := range s.Nodes {
		if err = s.start(&s.Nodes[i]); err != nil {
			break
		}
	}
	if err == nil {
		err = s.awaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.killAll())
	}
	say("%d node(s) answer after %v", o.Nodes, time.Since(began).Round(100*time.Millisecond))
	return s, nil
}

// running returns the cluster that is there already, nil if none is, and an error if it is not the one that is asked for.
func running(ctx context.Context, o Options) (*State, error) {
	s, err := Load(o.Dir)
	if errors.Is(err, ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	alive := 0
	for i := range s.Nodes {
		if s.Nodes[i].Running() {
			alive++
		}
	}
	switch {
	case alive == 0:
		return nil, nil
	case alive != len(s.Nodes) || alive != o.Nodes:
		return nil, fmt.Errorf("%d of %d nodes run already, and %d are asked for: end them first (down)", alive, len(s.Nodes), o.Nodes)
	}
	return s, s.awaitReady(ctx)
}

// prepare writes everything that the nodes will read.
func prepare(o Options, java, lib string) (*State, error) {
	if err := clear(o.Dir); err != nil {
		return nil, err
	}
	s := &State{
		Version: kafka.Version, ID: newID(), dir: o.Dir, Nodes: make([]Node, o.Nodes), Users: users(),
		Session: Duration{o.Session}, Idle: Duration{o.Idle}, Java: command(java, lib, o),
	}
	certs := filepath.Join(o.Dir, "certs")
	if err := os.MkdirAll(certs, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.Certs, err = makeCerts(certs); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "log4j2.xml"), []byte(log4j), 0o600); err != nil {
		return nil, err
	}
	each := len(Listeners) + 1
	ports, err := freePorts(o.Nodes*each, o.FirstPort)
	if err != nil {
		return nil, err
	}
	controllers := make([]string, o.Nodes)
	for i := range s.Nodes {
		own := ports[i*each:]
		controllers[i] = net.JoinHostPort("127.0.0.1", own[each-1])
		n := &s.Nodes[i]
		n.ID, n.Dir, n.Listeners = int32(i+1), filepath.Join(o.Dir, "node"+strconv.Itoa(i+1)), map[string]string{}
		for j, name := range Listeners {
			n.Listeners[name] = net.JoinHostPort(host(name), own[j])
		}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if err := os.MkdirAll(n.Dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(n.properties(), []byte(s.properties(n, controllers)), 0o600); err != nil {
			return nil, err
		}
	}
	return s, s.save()
}

// host is what a listener is known by: over TLS a name, so that there is one to verify.
func host(listener string) string {
	if listener == Plaintext || listener == SASLPlaintext {
		return "127.0.0.1"
	}
	return "localhost"
}

// command starts a node when the path of its properties is added. Several nodes share what memory and cores there are, and get by with the first compiler.
func command(java, lib string, o Options) []string {
	c := []string{java, "-Xmx512m"}
	if o.Nodes > 1 {
		c = []string{java, "-Xmx384m", "-XX:TieredStopAtLevel=1"}
	}
	return append(c, "-Dlog4j2.configurationFile="+filepath.Join(o.Dir, "log4j2.xml"), "-cp", filepath.Join(lib, "*"), "kafka.Kafka")
}

// newID is an id for a cluster or a password: 16 random bytes in a text without anything that properties or options would misread.
func newID() string {
	for {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		if id := base64.RawURLEncoding.EncodeToString(b[:]); id[0] != '-' {
			return id
		}
	}
}

// users makes an account a mechanism, each with a password that occurs nowhere else, so that it can be searched for.
func users() map[string]User {
	return map[string]User{
		Plain:       {Name: "alice", Password: newID()},
		Scram256:    {Name: "bob", Password: newID()},
		Scram512:    {Name: "carol", Password: newID()},
		OAuthBearer: {Name: "admin"},
	}
}

// format writes the first metadata of all nodes, the users of SCRAM among it.
func (s *State) format(ctx context.Context, java, lib string) error {
	var wg sync.WaitGroup
	errs := make([]error, len(s.Nodes))
	for i := range s.Nodes {
		n := &s.Nodes[i]
		args := []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", filepath.Join(lib, "*"), "kafka.tools.StorageTool", "format", "-t", s.ID, "-c", n.properties()}
		for _, mechanism := range []string{Scram256, Scram512} {
			u := s.Users[mechanism]
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, u.Name, u.Password))
		}
		wg.Go(func() {
			if out, err := exec.CommandContext(ctx, java, args...).CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("format the storage of node %d: %w\n%s", n.ID, err, out)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
