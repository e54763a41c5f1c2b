package chaos

import (
	"cmp"
	"iter"
	"slices"
)

// happening is an event of a room, whoever was told of it.
type happening struct {
	Item          // as the first was told
	first Instant // when that was
}

// told yields all events that a connection was told of, those in joined included.
func (c *Conn) told() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, i := range c.Items {
			for _, e := range i.Events {
				if !yield(e) {
					return
				}
			}
			if i.Kind != itemJoined && i.Kind != itemLeft && i.Kind != itemOdd && !yield(i) {
				return
			}
		}
	}
}

// conns yields all connections.
func (n *Notes) conns() iter.Seq2[*Actor, *Conn] {
	return func(yield func(*Actor, *Conn) bool) {
		for _, a := range n.Actors {
			for _, c := range a.Conns {
				if !yield(a, c) {
					return
				}
			}
		}
	}
}

// happenings returns what happened, by room and in the order in which it was made: each event once, by its position.
func (n *Notes) happenings() map[string][]happening {
	type place struct {
		room string
		Position
	}
	all := make(map[place]happening)
	for _, c := range n.conns() {
		for i := range c.told() {
			p := place{i.Room, i.Position}
			if h, ok := all[p]; !ok || i.At < h.first {
				all[p] = happening{i, i.At}
			}
		}
	}
	rooms := make(map[string][]happening)
	for p, h := range all {
		rooms[p.room] = append(rooms[p.room], h)
	}
	for _, list := range rooms {
		slices.SortFunc(list, func(a, b happening) int {
			return cmp.Or(cmp.Compare(a.Made, b.Made), cmp.Compare(a.first, b.first), cmp.Compare(a.Offset, b.Offset))
		})
	}
	return rooms
}

// ends returns when and why each broadcast was said to have ended: the first that was told.
func (n *Notes) ends() map[string]happening {
	ends := make(map[string]happening)
	for _, list := range n.happenings() {
		for _, h := range list {
			if e, ok := ends[h.Broadcast]; h.Kind == "live.ended" && (!ok || h.first < e.first) {
				ends[h.Broadcast] = h
			}
		}
	}
	return ends
}
