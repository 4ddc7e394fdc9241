package syscalls

import "golang.org/x/sys/unix"

// Eventfd returns a new event counter, non-blocking and closed on exec, with
// which any goroutine wakes an epoll loop. The caller owns it.
func Eventfd() (int, error) { return unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) }

// EventfdSignal makes fd readable until [EventfdDrain]. It never sleeps: a
// counter that is full is readable already, so that is no error. Safe for
// concurrent use.
func EventfdSignal(fd int) error { return eventfdResult(eventfdWrite(fd)) }

// EventfdDrain makes fd unreadable again, however many signals it got. It never
// sleeps; with no signal there it does nothing.
func EventfdDrain(fd int) error { return eventfdResult(eventfdRead(fd)) }

func eventfdResult(err error) error {
	if err == unix.EAGAIN {
		return nil
	}
	return err
}
