package syscalls

import "golang.org/x/sys/unix"

// keepIdleOption goes by another name on darwin (netinet/tcp.h).
const keepIdleOption = unix.TCP_KEEPALIVE
