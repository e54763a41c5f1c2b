package bench

// position is where an event stands in its room.
type position struct {
	Epoch  string `json:"epoch"`
	Offset int64  `json:"offset"`
}

// track follows one connection through its room and finds what the protocol rules out. The zero value has seen nothing:
// then no event is expected before a snapshot.
type track struct {
	at position
}

// wrong is what was wrong with what came.
type wrong struct {
	lost     int64 // events that never came
	repeated int64 // events that had come before
	strayed  int64 // events of another epoch, without a snapshot that announced it
}

func (w wrong) none() bool { return w == wrong{} }

// event takes the next event. It allocates nothing unless the epoch changes.
func (t *track) event(epoch []byte, offset int64) wrong {
	switch {
	case string(epoch) != t.at.Epoch:
		t.at = position{string(epoch), offset}
		return wrong{strayed: 1}
	case offset <= t.at.Offset:
		return wrong{repeated: 1}
	}
	lost := offset - t.at.Offset - 1
	t.at.Offset = offset
	return wrong{lost: lost}
}

// snapshot begins anew: what a joined that was not recovered says is the truth.
func (t *track) snapshot(p position) { t.at = p }

// recovered takes what a joined brings after an absence: exactly the events that follow the last position, up to that of
// the snapshot.
func (t *track) recovered(events []position, p position) (sum wrong) {
	for _, e := range events {
		w := t.event([]byte(e.Epoch), e.Offset)
		sum.lost, sum.repeated, sum.strayed = sum.lost+w.lost, sum.repeated+w.repeated, sum.strayed+w.strayed
	}
	switch {
	case t.at.Epoch != p.Epoch:
		sum.strayed++
	case t.at.Offset < p.Offset:
		sum.lost += p.Offset - t.at.Offset
	case t.at.Offset > p.Offset:
		sum.repeated += t.at.Offset - p.Offset // they would come again
	}
	t.at = p
	return sum
}

// missing is how many events are behind a position that others have reached. Of another epoch nothing can be said.
func (t *track) missing(head position) int64 {
	if t.at.Epoch != head.Epoch {
		return 0
	}
	return max(head.Offset-t.at.Offset, 0)
}
