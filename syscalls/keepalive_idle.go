//go:build linux || dragonfly || freebsd || netbsd

package syscalls

import "golang.org/x/sys/unix"

const keepIdleOption = unix.TCP_KEEPIDLE
