package syscalls

// RawMax is the largest transfer, in bytes, that [Read], [Write] and [Writev]
// make without telling the Go scheduler (see Model in the package comment).
// Larger transfers go through the ordinary call, so that the scheduler can
// give the processor to another goroutine while the kernel copies.
//
// Measured (BenchmarkTransfer: a write and a read on a Unix socket pair, one
// goroutine, Linux 6.18, 2 cores of an AMD EPYC, best of 8 on a busy machine):
// 64 bytes take 2.04 us raw and 2.21 us ordinary, 32 KiB take 4.53 and 4.61 us.
// So an ordinary call costs some 50 to 90 ns more whatever the size, 8 % of a
// small transfer and 2 % of a large one. Nothing is won above this size, and
// a garbage collection that wants to stop the world would wait for the copy.
//
// With many connections more is won than that, since the scheduler also takes
// processors away from goroutines that it believes stuck in the kernel: CPU per
// round trip of a whole event loop fell from 12.2 to 8.6 us in the prototype.
const RawMax = 32 << 10
