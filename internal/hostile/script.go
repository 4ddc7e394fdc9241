package hostile

import (
	"io"
	"net"
	"sync"
	"time"
)

// Bytes of servers that are no Kafka brokers, for [Banner].
const (
	HTTP     = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	SSH      = "SSH-2.0-OpenSSH_9.9\r\n"
	TLSAlert = "\x15\x03\x03\x00\x02\x02\x46" // fatal, protocol_version (RFC 8446, section 6)
)

// UnsolicitedID is the correlation id of frames that answer no request.
const UnsolicitedID int32 = 0x7ffffff0

// Script is what the broker does with one connection. It ends when the
// connection is closed; [Seq] tells what follows when it returns earlier.
type Script func(p *Peer)

// Seq runs steps one after another on the same connection. After the last one
// the connection is read and not answered.
func Seq(steps ...Script) Script {
	return func(p *Peer) {
		for _, step := range steps {
			step(p)
		}
	}
}

// Func is a script of the test's own. It has to return once the connection is
// closed.
func Func(f func(conn net.Conn)) Script {
	return func(p *Peer) { f(p) }
}

// Echo sends every byte back. It copies by itself: package net would splice
// through a pipe that it keeps until the garbage collector comes, and a leak
// check would find it.
func Echo(p *Peer) { _, _ = io.Copy(struct{ io.Writer }{p.TCPConn}, p.r) }

// Stall accepts, reads and never answers.
func Stall(p *Peer) { p.drain() }

// Silence accepts and never reads, so that the client's sends fill the buffers
// of both kernels and then stop. The receive buffer is made small; the client's
// own send buffer may still take some megabytes before it is full.
func Silence(p *Peer) {
	_ = p.SetReadBuffer(1) // the kernel raises it to its minimum
	<-p.Done()
}

// CloseOnAccept closes the connection at once.
func CloseOnAccept(p *Peer) { _ = p.Close() }

// Swallow reads n requests and answers none.
func Swallow(n int) Script {
	return func(p *Peer) {
		for range n {
			if _, err := p.ReadRequest(); err != nil {
				return
			}
		}
	}
}

// Answer answers every request.
func Answer(body Body) Script {
	return func(p *Peer) {
		for answerOne(p, body) {
		}
	}
}

// AnswerN answers n requests.
func AnswerN(n int, body Body) Script {
	return func(p *Peer) {
		for i := 0; i < n && answerOne(p, body); i++ {
		}
	}
}

// answerOne reports whether a request was read and answered.
func answerOne(p *Peer, body Body) bool {
	request, err := p.ReadRequest()
	return err == nil && p.Answer(correlation(request), body.of(request)) == nil
}

// AnswerAfter answers every request d after it has arrived. Requests in flight
// wait side by side, as on a long line, not one after another.
func AnswerAfter(d time.Duration, body Body) Script {
	return func(p *Peer) {
		line := make(chan delayed, 1024) // more in flight than that and the broker stops reading
		var writer sync.WaitGroup
		writer.Go(func() { writeDelayed(p, line) })
		for {
			request, err := p.ReadRequest()
			if err != nil {
				break
			}
			line <- delayed{time.Now().Add(d), answerFrame(correlation(request), body.of(request))}
		}
		close(line)
		writer.Wait()
	}
}

// delayed is a frame and when it is due.
type delayed struct {
	due   time.Time
	frame []byte
}

// writeDelayed writes each frame when it is due. AnswerAfter starts it, ends it
// by closing line, and waits for it. It empties line even when it cannot write.
func writeDelayed(p *Peer, line <-chan delayed) {
	dead := false
	for d := range line {
		if dead || !p.pause(time.Until(d.due)) {
			dead = true
			continue
		}
		if _, err := p.Write(d.frame); err != nil {
			dead = true
		}
	}
}

// CutFrame answers one request with a frame that is n bytes short and then
// sends FIN. An n past the frame's length leaves nothing but the FIN.
func CutFrame(n int, body Body) Script {
	return Seq(CutFrameOpen(n, body), HalfClose(0))
}

// CutFrameOpen is [CutFrame] without the FIN: the client waits for bytes that
// never come.
func CutFrameOpen(n int, body Body) Script {
	return func(p *Peer) {
		request, err := p.ReadRequest()
		if err != nil {
			return
		}
		f := answerFrame(correlation(request), body.of(request))
		_, _ = p.Write(f[:max(0, len(f)-n)])
	}
}

// Drip answers every request one byte at a time, a write for each byte, with
// interval between them.
func Drip(interval time.Duration, body Body) Script {
	return func(p *Peer) {
		for {
			request, err := p.ReadRequest()
			if err != nil {
				return
			}
			f := answerFrame(correlation(request), body.of(request))
			for i := range f {
				if i > 0 && !p.pause(interval) {
					return
				}
				if _, err := p.Write(f[i : i+1]); err != nil {
					return
				}
			}
		}
	}
}

// Reset reads n requests, answers none of them, and cuts the connection with
// RST. To answer some before, put [AnswerN] in front.
func Reset(n int) Script {
	return Seq(Swallow(n), reset)
}

func reset(p *Peer) {
	_ = p.SetLinger(0) // closing then drops what is queued and sends RST
	_ = p.Close()
}

// HalfClose reads n requests, answers none of them, sends FIN and goes on
// reading.
func HalfClose(n int) Script {
	return Seq(Swallow(n), finish)
}

func finish(p *Peer) {
	_ = p.CloseWrite()
	p.drain()
}

// Oversize reads one request and sends only a size, with nothing after it. Any
// value may be given, also 0 or a negative one.
func Oversize(size int32) Script {
	return func(p *Peer) {
		if _, err := p.ReadRequest(); err != nil {
			return
		}
		_, _ = p.Write([]byte{byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)})
	}
}

// NegativeSize is [Oversize] with -1.
func NegativeSize(p *Peer) { Oversize(-1)(p) }

// WrongCorrelation answers every request with its correlation id plus 1000.
func WrongCorrelation(body Body) Script {
	return func(p *Peer) {
		for {
			request, err := p.ReadRequest()
			if err != nil || p.Answer(correlation(request)+1000, body.of(request)) != nil {
				return
			}
		}
	}
}

// RepeatCorrelation answers every request twice.
func RepeatCorrelation(body Body) Script {
	return func(p *Peer) {
		for {
			request, err := p.ReadRequest()
			if err != nil {
				return
			}
			f := answerFrame(correlation(request), body.of(request))
			if _, err := p.Write(append(f, f...)); err != nil {
				return
			}
		}
	}
}

// Unsolicited sends a frame with [UnsolicitedID] and this body at once, before
// any request.
func Unsolicited(body []byte) Script {
	return func(p *Peer) { _ = p.Answer(UnsolicitedID, body) }
}

// Banner sends bytes as they are, at once, before any request. With [Swallow]
// in front it waits for a request, as HTTP and TLS servers do.
func Banner(b []byte) Script {
	return func(p *Peer) { _, _ = p.Write(b) }
}

// Flood sends well-formed frames with [UnsolicitedID] without end and as fast
// as the client takes them.
func Flood(p *Peer) {
	const (
		bodyBytes  = 64
		chunkBytes = 64 << 10
	)
	frame := answerFrame(UnsolicitedID, make([]byte, bodyBytes))
	chunk := make([]byte, 0, chunkBytes)
	for len(chunk)+len(frame) <= chunkBytes {
		chunk = append(chunk, frame...)
	}
	for {
		if _, err := p.Write(chunk); err != nil {
			return
		}
	}
}

// Reorder takes requests in pairs and answers the second of each before the
// first. A request without a second one stays unanswered.
func Reorder(body Body) Script {
	return func(p *Peer) {
		for {
			first, err := p.ReadRequest()
			if err != nil {
				return
			}
			second, err := p.ReadRequest()
			if err != nil {
				return
			}
			if p.Answer(correlation(second), body.of(second)) != nil ||
				p.Answer(correlation(first), body.of(first)) != nil {
				return
			}
		}
	}
}
