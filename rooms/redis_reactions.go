package rooms

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/wire"
)

// reactionsSaid is what a payload of a room's channel begins with that is no event: those begin with a view, which is JSON,
// or with nothing. A newline and the counts by kind follow.
const reactionsSaid = "reactions"

// React implements Relay. Nothing is stored.
func (r *Redis) React(ctx context.Context, all []Reactions) error {
	_, err := r.cfg.Conn.Client().Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, of := range all {
			p.SPublish(ctx, r.sayChannel(of.Room), reactionsSaid+"\n"+string(wire.JSON(of.Counts)))
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// heardReactions takes a room's reactions from the listener.
func (r *Redis) heardReactions(room, counts string) {
	var heard map[string]int
	if err := json.Unmarshal([]byte(counts), &heard); err != nil {
		r.cfg.Logger.Error("rooms: reactions can't be read", "room", room, "error", err)
		return
	}
	r.sink.Reactions(room, heard)
}
