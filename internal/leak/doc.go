// Package leak fails tests that leave goroutines or descriptors behind. It is
// test support: no package of the library imports it outside its tests.
//
//	func TestDial(t *testing.T) {
//		leak.Check(t, leak.Gauge("pooled buffers", outstanding))
//		…
//	}
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// # Model
//
// [Check] remembers what exists when it is called and registers a cleanup.
// Cleanups run last in, first out: called first in a test, Check looks last,
// when the test's own cleanups have closed everything. It polls until all is
// back where it was or its patience ends, because ends are asynchronous: a
// goroutine that was told to stop needs a moment to do so.
//
// What it sees belongs to the whole process, so a test that calls Check must
// not run beside others: no t.Parallel in the package, or [Main] alone.
//
// # Limits
//
// Descriptors are read from /proc/self/fd and therefore on Linux only;
// elsewhere they are not checked. A connection that nobody closed but the
// garbage collector reached in time is not found.
package leak
