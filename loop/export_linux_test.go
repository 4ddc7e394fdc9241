package loop

// rested is how often the loops have rested.
func (d *epollDriver) rested() (n int64) {
	for _, l := range d.loops {
		n += l.rests.Load()
	}
	return n
}

// counted is what the loops have in their counts of connections with something in flight: weights, and those that allow a rest.
func (d *epollDriver) counted() (weights, patient int64) {
	for _, l := range d.loops {
		weights += l.spin.inFlight.Load()
		for i := range l.patients {
			patient += int64(l.patients[i].Load())
		}
	}
	return weights, patient
}
