package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// Down ends the nodes that Up started in a folder, and removes the folder. It is no error if there are none.
func Down(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := Load(dir)
	if errors.Is(err, ErrNone) {
		return clear(dir)
	}
	if err != nil {
		return err
	}
	if err := s.killAll(); err != nil {
		return err
	}
	return clear(dir)
}

// killAll ends all nodes at once. Their data is of no use to anybody, and nodes that are asked to stop together wait long for a quorum that will not
// come back.
func (s *State) killAll() error {
	var errs []error
	for i := range s.Nodes {
		errs = append(errs, s.Nodes[i].signal(syscall.SIGKILL))
	}
	for i := range s.Nodes {
		errs = append(errs, s.Nodes[i].awaitEnd(context.Background(), killLimit))
	}
	return errors.Join(errs...)
}

// clear removes what Up has made in a folder, by name, and the folder if nothing else is in it: a wrong -dir must not cost anybody his files.
func clear(dir string) error {
	for _, pattern := range []string{"node[1-9]", "certs", "log4j2.xml", stateFile, stateFile + ".new"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
	}
	_ = os.Remove(dir) // not empty, or not there
	return nil
}
