package loop

// Owner is who opens a connection, as that knows it. It is one interface, and not two functions: methods that are there already cost a connection no memory.
type Owner interface {
	// WrapError makes of an *OpError what a callback of Submit gets. On the connection's loop, as callbacks are; never called for a Stream.
	WrapError(err error) error
	// OnEnd is told of the end of a connection that Dial or DialStream has returned, or is about to return: once, on its loop, after all its requests have
	// ended. cause is what Conn.Err says. It must not block. For a Stream, cause is what Stream.Err says, and a failed TLS handshake is such an end too.
	OnEnd(cause error)
}
