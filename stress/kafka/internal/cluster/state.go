package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Listeners of every node, by the names that they have in its properties.
const (
	Plaintext     = "PLAINTEXT"
	SSL           = "SSL"            // TLS that wants a certificate of the client
	SASLSSL       = "SASL_SSL"       // TLS, then SASL
	SASLPlaintext = "SASL_PLAINTEXT" // SASL in the clear
	Session       = "SESSION"        // as SASL_SSL, with sessions of State.Session
)

// controller is the listener between the nodes.
const controller = "CONTROLLER"

// Listeners lists them in the order of their ports.
var Listeners = []string{Plaintext, SSL, SASLSSL, SASLPlaintext, Session}

// Mechanisms of SASL that are enabled.
const (
	Plain       = "PLAIN"
	Scram256    = "SCRAM-SHA-256"
	Scram512    = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

// Mechanisms lists them.
var Mechanisms = []string{Plain, Scram256, Scram512, OAuthBearer}

// State describes a running cluster, and is what state.json holds. Somebody who runs a cluster of his own can write one by hand: all that tests need is
// Nodes with their Listeners, and Users and Certs for the listeners that want them.
type State struct {
	Version string          `json:"version,omitempty"` // of Kafka
	ID      string          `json:"id,omitempty"`      // of the cluster
	Nodes   []Node          `json:"nodes"`
	Users   map[string]User `json:"users,omitempty"` // by mechanism
	Certs   Certs           `json:"certs"`

	Session Duration `json:"session,omitempty"` // after which the SESSION listener wants a re-authentication
	Idle    Duration `json:"idle,omitempty"`    // after which brokers close a connection

	// Java is how a node is started, without the path of its properties; empty: not by us, and there is nothing to restart.
	Java []string `json:"java,omitempty"`

	dir string
}

// Node is one broker, which is a controller too.
type Node struct {
	ID        int32             `json:"id"`
	Dir       string            `json:"dir,omitempty"` // of its properties, data and log
	PID       int               `json:"pid,omitempty"`
	Listeners map[string]string `json:"listeners"` // host:port by name
}

// User is an account of the SASL listeners. OAUTHBEARER has a name only: its tokens are not signed.
type User struct {
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
}

// Certs are the paths of PEM files, from the folder of the state if they are relative.
type Certs struct {
	CA         string `json:"ca,omitempty"`
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`
	// Expired and WrongName are server certificates, each with its key in the same file, for servers that a client must refuse: one that ended
	// yesterday, one for a name that nobody dials.
	Expired   string `json:"expired,omitempty"`
	WrongName string `json:"wrong_name,omitempty"`
}

// Duration is a time.Duration that JSON holds as text: "5s".
type Duration struct{ time.Duration }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// ErrNone is the error where there is no state: nothing was started.
var ErrNone = errors.New("no cluster has been started")

// stateFile is the name of the state in its folder.
const stateFile = "state.json"

// Load reads the state in a folder. The error matches ErrNone where there is none.
func Load(dir string) (*State, error) {
	s, err := LoadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	return s, err
}

// LoadFile reads a state.
func LoadFile(name string) (*State, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := &State{dir: filepath.Dir(name)}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(s.Nodes) == 0 {
		return nil, fmt.Errorf("%s: it has no nodes", name)
	}
	for _, path := range []*string{&s.Certs.CA, &s.Certs.ClientCert, &s.Certs.ClientKey, &s.Certs.Expired, &s.Certs.WrongName} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(s.dir, *path)
		}
	}
	return s, nil
}

// save writes the state where it came from, for its owner's eyes: it holds passwords.
func (s *State) save() error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(s.dir, stateFile)
	if err := os.WriteFile(name+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// Addr is the address of a listener of the first node, and whether it has one.
func (s *State) Addr(listener string) (string, bool) {
	addr, ok := s.Nodes[0].Listeners[listener]
	return addr, ok
}

// Node returns the node of an id.
func (s *State) Node(id int32) (*Node, error) {
	for i := range s.Nodes {
		if s.Nodes[i].ID == id {
			return &s.Nodes[i], nil
		}
	}
	return nil, fmt.Errorf("there is no node %d: they are 1 to %d", id, len(s.Nodes))
}

// Owned reports whether the nodes were started by Up, so that they can be restarted.
func (s *State) Owned() bool { return len(s.Java) > 0 }
