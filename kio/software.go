package kio

import (
	"path"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
)

// DefaultClientSoftwareName is what ApiVersions names where Config.ClientSoftwareName is empty.
const DefaultClientSoftwareName = "kafkaio"

// softwareVersion is this module's version in the running program, "unknown" where it was built without one.
var softwareVersion = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknownVersion
	}
	own := path.Dir(reflect.TypeFor[Config]().PkgPath())
	version := ""
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == own {
			version = m.Version
		}
	}
	version, _, _ = strings.Cut(version, "+") // "+dirty", "+incompatible": brokers refuse the sign
	if !isSoftwareName(version) {
		return unknownVersion // "(devel)" for one
	}
	return version
})

const unknownVersion = "unknown"

// isSoftwareName reports whether brokers take s for a client's name or version: letters, digits, dashes and dots, with a letter or digit at both
// ends (KIP-511; they answer INVALID_REQUEST to anything else).
func isSoftwareName(s string) bool {
	isWord := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
	for i := range len(s) {
		inside := i > 0 && i < len(s)-1
		if c := s[i]; !isWord(c) && (!inside || c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}
