package loop

import "kafkaio/syscalls"

// turnBytes is how much one connection may read in one turn of its loop, so that a flood on one cannot starve the others.
const turnBytes = 512 << 10

// readDirect reads into the sink's own memory until the socket is empty, the sink wants no more, or the turn is over. It is for a driver that
// reads by itself first; what is left, it finds at its next read. False asks the driver to close the connection.
func readDirect(fd int, s sink) bool {
	for turn := 0; turn < turnBytes; {
		into := s.direct()
		if into == nil {
			return true
		}
		into = into[:min(len(into), turnBytes-turn)]
		n, err := syscalls.Read(fd, into)
		if n <= 0 || err != nil {
			return true // empty, at its end, or broken: the driver's next read finds the same, and reports it
		}
		if !s.filled(n) {
			return false
		}
		if n < len(into) {
			return true
		}
		turn += n
	}
	return true
}
