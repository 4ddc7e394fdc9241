package hostile

import (
	"bufio"
	"io"
	"net"
	"time"
)

// Peer is the broker's side of one connection, as its script sees it. It is a
// [net.Conn]; for one goroutine that reads and one that writes.
type Peer struct {
	*net.TCPConn
	r      *bufio.Reader
	broker *Broker
}

// Read reads what the client has sent and no step has consumed yet.
func (p *Peer) Read(b []byte) (int, error) { return p.r.Read(b) }

// WriteTo copies what the client sends to w until the client closes. It
// replaces the one of TCPConn, which would miss what is already buffered.
func (p *Peer) WriteTo(w io.Writer) (int64, error) { return p.r.WriteTo(w) }

// ReadRequest reads one request and returns it without its size. The result
// belongs to the caller.
func (p *Peer) ReadRequest() ([]byte, error) {
	request, err := readRequest(p.r)
	if err == nil {
		p.broker.requests.Add(1)
	}
	return request, err
}

// Answer writes one whole frame: size, correlation id and body.
func (p *Peer) Answer(id int32, body []byte) error {
	_, err := p.Write(answerFrame(id, body))
	return err
}

// Done is closed when the broker closes. Scripts that wait for anything else
// than the connection have to wait for it too.
func (p *Peer) Done() <-chan struct{} { return p.broker.done }

// pause waits for d and reports whether the script may go on: false means that
// the broker is closing.
func (p *Peer) pause(d time.Duration) bool {
	if d <= 0 {
		select {
		case <-p.Done():
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.Done():
		return false
	case <-timer.C:
		return true
	}
}

// drain reads and discards until the client or the broker closes.
func (p *Peer) drain() { _, _ = io.Copy(io.Discard, p.r) }
