package responder

import "github.com/panjf2000/gnet/v2"

// conn is a client's connection. Only its loop touches it.
type conn struct {
	loop   *loop
	gnet   gnet.Conn
	closed bool

	// head collects the beginning of a frame that the end of a read cut
	// off, until it has want bytes. Empty: the next byte starts a frame.
	head []byte
	want int

	// rest is how many bytes of due's frame are still to come; they are
	// passed over without a copy, and then due is answered.
	rest int
	due  request
}

// feed walks over the bytes of one read and answers the requests that they
// complete. b is borrowed.
func (c *conn) feed(b []byte) error {
	l := c.loop
	for len(b) > 0 && !c.closed {
		if c.rest > 0 {
			n := min(c.rest, len(b))
			c.rest, b = c.rest-n, b[n:]
			if c.rest == 0 {
				l.answer(c, c.due)
			}
			continue
		}
		if len(c.head) == 0 {
			req, want, err := l.table.inspect(b, l.maxRequestBytes)
			if err != nil {
				return err
			}
			if want > 0 {
				c.head, c.want = append(c.head, b...), want
				return nil
			}
			if req.frameBytes > len(b) {
				c.rest, c.due = req.frameBytes-len(b), req
				return nil
			}
			b = b[req.frameBytes:]
			l.answer(c, req)
			continue
		}
		n := min(c.want-len(c.head), len(b))
		c.head, b = append(c.head, b[:n]...), b[n:]
		// inspect again even if short: the size alone may condemn it
		req, want, err := l.table.inspect(c.head, l.maxRequestBytes)
		if err != nil {
			return err
		}
		if want > 0 {
			c.want = want
			continue
		}
		c.rest, c.due = req.frameBytes-len(c.head), req
		c.head = c.head[:0]
		if c.rest == 0 {
			l.answer(c, req)
		}
	}
	return nil
}
