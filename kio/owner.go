package kio

// brokerOwner is a Broker as its connection knows it. Like streamOwner it is one pointer, which an interface holds as it is.
type brokerOwner struct{ b *Broker }

func (o brokerOwner) WrapError(err error) error { return o.b.wrap("request", err) }
func (o brokerOwner) OnEnd(cause error)         { o.b.onEnd(cause) }

// endpointOwner also tells the endpoint that the connection belongs to.
type endpointOwner struct {
	brokerOwner
	ended func(b *Broker)
}

func (o *endpointOwner) OnEnd(cause error) {
	o.brokerOwner.OnEnd(cause)
	o.ended(o.b)
}

// streamOwner is whoever watches a Conn.
type streamOwner struct{ watch *watch }

func (o streamOwner) WrapError(err error) error { return err }
func (o streamOwner) OnEnd(cause error)         { o.watch.onEnd(cause) }
