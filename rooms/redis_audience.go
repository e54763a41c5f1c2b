package rooms

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/presence"
)

// Audience implements Relay. It does not need what is read to be of one moment: whoever reports later says the same of the
// time until then.
func (r *Redis) Audience(ctx context.Context, room, broadcast string, until presence.Millis) (Audience, error) {
	base := r.parts[presence.PartitionOf(room)].base
	audience, distinct := base+"audience:"+broadcast, base+"distinct:"+broadcast
	var accounts *redis.MapStringStringCmd
	var unique *redis.IntCmd
	_, err := r.cfg.Conn.Client().Pipelined(ctx, func(p redis.Pipeliner) error {
		accounts, unique = p.HGetAll(ctx, audience), p.PFCount(ctx, distinct)
		p.PExpire(ctx, audience, audienceAsked)
		p.PExpire(ctx, distinct, audienceAsked)
		return nil
	})
	if err != nil {
		return Audience{}, unavailable(err)
	}
	a := Audience{Known: len(accounts.Val()) > 0, Unique: unique.Val()}
	for node, account := range accounts.Val() {
		watched, err := watchedBy(account, until)
		if err != nil { // which must not keep anybody from recording the rest, for ever
			r.cfg.Logger.Error("rooms: what a node said of an audience can't be read", "node", node, "broadcast", broadcast, "error", err)
		}
		a.Watched += watched
	}
	return a, nil
}

// watchedBy reads what a node knew of an audience, as viewers.lua describes it, and how it went on.
func watchedBy(account string, until presence.Millis) (watched int64, err error) {
	var n [5]int64 // watched, viewers, since, gone, and the number of the report
	fields := strings.Fields(account)
	if len(fields) < len(n) {
		return 0, fmt.Errorf("%.100q can't be read: it has %d numbers, not %d", account, len(fields), len(n))
	}
	for i := range n {
		if n[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return 0, fmt.Errorf("%.100q can't be read: %w", account, err)
		}
	}
	return n[0] + wentOn(n[1], presence.Millis(n[2]), until, presence.Millis(n[3])), nil
}

// wentOn returns what so many have watched from a moment on, until the end or until they were gone, if they were.
func wentOn(viewers int64, since, until, gone presence.Millis) int64 {
	if gone != 0 {
		until = min(until, gone)
	}
	return viewers * max(0, int64(until-since))
}
