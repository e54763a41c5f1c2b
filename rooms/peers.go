package rooms

import (
	"context"
	"errors"

	"github.com/tallylight/tallylight/presence"
)

// peers are the sessions of a room's viewers here with its streamer: by member, then by session, with the streamer's
// member id. Most rooms have none.
type peers map[string]map[string]string

func (p *peers) add(member, session, streamer string) {
	if *p == nil {
		*p = make(peers)
	}
	if (*p)[member] == nil {
		(*p)[member] = make(map[string]string)
	}
	(*p)[member][session] = streamer
}

func (p peers) remove(member, session string) {
	delete(p[member], session)
	if len(p[member]) == 0 {
		delete(p, member)
	}
}

// sends notes what a viewer is about to say to the streamer, and reports whether that begins a session here.
func (r *room) sends(sig Signal) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.peers[sig.From][sig.Session]
	switch {
	case sig.Kind == SignalBye:
		r.peers.remove(sig.From, sig.Session)
	case r.members[sig.From] != nil && (known || sig.Kind.opens()):
		r.peers.add(sig.From, sig.Session, sig.To)
		return !known
	}
	return false
}

// unsent takes back what began with a signal that was refused. A session that was open stays so: the streamer may be away
// for a moment.
func (r *room) unsent(sig Signal, err error) {
	if err == nil || errors.Is(err, presence.ErrUnavailable) {
		return // it may have arrived
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.peers[sig.From][sig.Session] == sig.To {
		r.peers.remove(sig.From, sig.Session)
	}
}

// receives hands a viewer what the streamer says.
func (r *room) receives(m *member, sig Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[sig.To] != m {
		return ErrPeerGone
	}
	if err := m.session.Signal(sig.message()); err != nil {
		return err
	}
	if sig.Kind == SignalBye {
		r.peers.remove(sig.To, sig.Session)
	} else {
		r.peers.add(sig.To, sig.Session, sig.From)
	}
	return nil
}

// probe says whether a viewer still has a session open.
func (r *room) probe(sig Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, open := r.peers[sig.To][sig.Session]; !open {
		return errNoSuchSession
	}
	return nil
}

// byeLocked tells all viewers here who have a session with the streamer that the streamer is gone for good.
func (r *room) byeLocked(streamer presence.User) {
	for id, sessions := range r.peers {
		for session, from := range sessions {
			r.members[id].session.Send(byeFor(r.name, session, from, streamer))
		}
	}
	r.peers = nil
}

// partFrom ends, or lets wait, the sessions of a member who is none any more.
func (h *Hub) partFrom(ctx context.Context, m *member, name string, sessions map[string]string, left bool) {
	if m.peerings != nil {
		m.peerings.end(ctx, left)
	}
	kind := signalGone
	if left {
		kind = signalLeft
	}
	for session, streamer := range sessions {
		h.route(ctx, Signal{
			Room: name, Session: session, Kind: kind, To: streamer, From: m.session.Connection(), User: m.session.User(), Role: m.role,
		}, func(error) {}) // if nobody hears it, the streamer's node finds out by itself
	}
}
