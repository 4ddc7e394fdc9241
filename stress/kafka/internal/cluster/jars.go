package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"kafkaio/stress/kafka"
)

// jars returns the folder of the jars. The first call for a version resolves them with Maven, into a cache that all checkouts share.
func jars(ctx context.Context, say func(string, ...any)) (string, error) {
	lib, err := libDir()
	if err != nil {
		return "", err
	}
	if resolved(lib) {
		return lib, nil
	}
	mvn, err := findMaven()
	if err != nil {
		return "", err
	}
	home := filepath.Dir(lib)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	// In a folder of its own that gets its name at the end: half of the jars, or those of two runs at a time, are never taken for all.
	temp, err := os.MkdirTemp(home, "resolving-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	pom, fresh := filepath.Join(temp, "pom.xml"), filepath.Join(temp, "lib")
	if err := os.WriteFile(pom, kafka.POM, 0o644); err != nil {
		return "", err
	}
	say("resolving the jars of Kafka %s with mvn, into %s", kafka.Version, lib)
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+fresh, "-DincludeScope=runtime")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn: %w\n%s", err, out)
	}
	if err := os.Rename(fresh, lib); err != nil {
		if resolved(lib) {
			return lib, nil // another run was faster
		}
		return "", err
	}
	return lib, nil
}

// libDir is where the jars are, or will be.
func libDir() (string, error) {
	cache, err := cacheDir()
	return filepath.Join(cache, "kafkaio", "kafka-"+kafka.Version, "lib"), err
}

// resolved reports whether they are there. The folder gets its name when it has all of them.
func resolved(lib string) bool {
	_, err := os.Stat(lib)
	return err == nil
}

func findMaven() (string, error) {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return "", fmt.Errorf("mvn is needed once, to resolve Kafka's jars: %w", err)
	}
	return mvn, nil
}

// cacheDir is the folder for what can be had again, as the XDG specification has it on every system.
func cacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("neither XDG_CACHE_HOME nor HOME says where to put the jars")
	}
	return filepath.Join(home, ".cache"), nil
}
