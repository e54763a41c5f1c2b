package rooms

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tallylight/tallylight/internal/wire"
)

const (
	// MaxReactionKinds is how many kinds of reactions a node takes in a room, and
	// how many one message has at most.
	MaxReactionKinds = 16
	// reactionKindKept is how long a kind counts after it was last taken.
	reactionKindKept = 10 * time.Minute
	// reactionsEvery is how often a room is told of its reactions at most.
	reactionsEvery = time.Second
)

// Reactions are those in one room since some moment, by kind.
type Reactions struct {
	Room   string
	Counts map[string]int
}

// reactions adds up what members here, and backends, say in all rooms, and what
// is heard of all nodes. It has nothing of a room in which nobody reacts.
type reactions struct {
	mu       sync.Mutex
	kinds    map[string]map[string]time.Time // room → kind → when it was last taken here
	taken    map[string]map[string]int       // room → kind → how many, since they were last published
	heard    map[string]map[string]int       // the same of all nodes, since members were last told
	total    int64                           // of what was ever taken
	forgotAt time.Time                       // when kinds were last forgotten
}

func newReactions() *reactions {
	return &reactions{
		kinds: make(map[string]map[string]time.Time),
		taken: make(map[string]map[string]int),
		heard: make(map[string]map[string]int),
	}
}

// take counts one, unless it would be of one kind too many.
func (c *reactions) take(room, kind string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	kinds := c.kinds[room]
	if _, known := kinds[kind]; !known {
		forgetKinds(kinds, now)
		if len(kinds) >= MaxReactionKinds {
			return false
		}
	}
	if kinds == nil {
		kinds = make(map[string]time.Time)
		c.kinds[room] = kinds
	}
	kinds[kind] = now
	add(c.taken, room, kind, 1)
	c.total++
	return true
}

// hear counts what a node has published.
func (c *reactions) hear(room string, counts map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for kind, n := range counts {
		add(c.heard, room, kind, n)
	}
}

func add(rooms map[string]map[string]int, room, kind string, n int) {
	counts := rooms[room]
	if counts == nil {
		counts = make(map[string]int)
		rooms[room] = counts
	}
	counts[kind] += n
}

// toPublish returns what was taken since it was last called.
func (c *reactions) toPublish() []Reactions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return empty(&c.taken)
}

// toTell returns what was heard since it was last called.
func (c *reactions) toTell() []Reactions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return empty(&c.heard)
}

// empty returns all that was added up, and begins anew.
func empty(rooms *map[string]map[string]int) []Reactions {
	if len(*rooms) == 0 {
		return nil
	}
	all := make([]Reactions, 0, len(*rooms))
	for room, counts := range *rooms {
		all = append(all, Reactions{room, counts})
	}
	*rooms = make(map[string]map[string]int)
	return all
}

// forget drops the kinds that no longer count, once a minute.
func (c *reactions) forget(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.forgotAt) < forgetEvery {
		return
	}
	c.forgotAt = now
	for room, kinds := range c.kinds {
		if forgetKinds(kinds, now); len(kinds) == 0 {
			delete(c.kinds, room)
		}
	}
}

func forgetKinds(kinds map[string]time.Time, now time.Time) {
	maps.DeleteFunc(kinds, func(_ string, taken time.Time) bool { return now.Sub(taken) >= reactionKindKept })
}

// ever returns how many were taken since the node began.
func (c *reactions) ever() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// largest returns the counts of which there are most, as many as a message has:
// of two with the same number, the one whose kind comes first.
func largest(counts map[string]int) map[string]int {
	if len(counts) <= MaxReactionKinds {
		return counts
	}
	kinds := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	kept := make(map[string]int, MaxReactionKinds)
	for _, kind := range kinds[:MaxReactionKinds] {
		kept[kind] = counts[kind]
	}
	return kept
}

// react takes a reaction whose data Check has returned. It does not block.
func (h *Hub) react(room string, data []byte) error {
	var reaction ReactionData
	if err := json.Unmarshal(data, &reaction); err != nil {
		return fmt.Errorf("rooms: a reaction's data was not checked: %w", err)
	}
	if !h.reactions.take(room, reaction.Kind, time.Now()) {
		return &Refusal{CodeBadRequest, fmt.Sprintf("a room takes at most %d kinds of reactions within %d minutes, and this would be one more",
			MaxReactionKinds, int(reactionKindKept.Minutes()))}
	}
	return nil
}

// Reactions implements Sink.
func (h *Hub) Reactions(room string, counts map[string]int) { h.reactions.hear(room, counts) }

// tickReactions publishes what members here say, and tells them what was heard
// of all nodes, each once a second, until the context ends. The half second
// between the two is for what other nodes publish at the same time, and none of
// it waits for what the hub does once a second: a store that is slow must not
// have members told twice in a second afterwards.
func (h *Hub) tickReactions(ctx context.Context) {
	tick := time.NewTicker(reactionsEvery / 2)
	defer tick.Stop()
	for publish := true; ; publish = !publish {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if publish {
				h.publishReactions(ctx)
			} else {
				h.tellReactions()
				h.reactions.forget(now)
			}
		}
	}
}

// publishReactions hands what was taken to the relay. What that does not take by
// the time members are told is dropped: it is worth nothing later.
func (h *Hub) publishReactions(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, reactionsEvery/2)
	defer cancel()
	for some := range slices.Chunk(h.reactions.toPublish(), reportedAtOnce) {
		if err := h.cfg.Relay.React(within, some); err != nil {
			if ctx.Err() == nil {
				h.cfg.Logger.Warn("rooms: publishing reactions failed; they are dropped", "error", err)
			}
			return // the rest would fare no better
		}
	}
}

// tellReactions tells the rooms that have members here what was heard.
func (h *Hub) tellReactions() {
	for _, heard := range h.reactions.toTell() {
		if r := h.find(heard.Room); r != nil {
			r.tellReactions(heard.Counts)
		}
	}
}

// tellReactions tells all members, but for those with much to read already: what
// comes in spite of that is theirs to miss, events are not.
func (r *room) tellReactions(counts map[string]int) {
	message := wire.JSON(ReactionsMessage{Type: "reactions", Room: r.name, Counts: largest(counts)})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		_ = m.session.Signal(message)
	}
}
