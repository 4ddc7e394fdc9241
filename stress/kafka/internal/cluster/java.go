package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"kafkaio/stress/kafka"
)

// lowestJava is the oldest Java that a broker of version 4 runs on (Kafka's documentation, "Java Version").
const lowestJava = 17

// findJava gives the path of a java that brokers run on.
func findJava(ctx context.Context) (string, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("a broker of Kafka %s needs Java %d or newer: %w", kafka.Version, lowestJava, err)
	}
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -version: %w\n%s", java, err, out)
	}
	if v := javaVersion(string(out)); v < lowestJava {
		return "", fmt.Errorf("a broker of Kafka %s needs Java %d or newer, and %s is Java %d", kafka.Version, lowestJava, java, v)
	}
	return java, nil
}

var versionPattern = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// javaVersion reads the major version out of what java -version prints, 0 if it is not there. Up to 8 it comes second: 1.8.
func javaVersion(text string) int {
	m := versionPattern.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, _ := strconv.Atoi(m[1]) // digits; too many of them are no version
	return v
}

// Able reports why no cluster can be started on this machine, nil if one can: Java, and the jars or Maven to resolve them.
func Able(ctx context.Context) error {
	if _, err := findJava(ctx); err != nil {
		return err
	}
	lib, err := libDir()
	if err != nil {
		return err
	}
	if resolved(lib) {
		return nil
	}
	_, err = findMaven()
	return err
}
