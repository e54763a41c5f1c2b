package presence

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/wire"
)

// The keys of partition 17, under the default prefix. All carry its hash tag, so that one script may touch them all.
//
//	tallylight:{17}:partition      hash: seq, fence, clock, swept
//	tallylight:{17}:log            stream of transitions, ids <seq>-0
//	tallylight:{17}:followers      hash: durable follower → seq
//	tallylight:{17}:deadlines      sorted set: room → end of its window on the partition's clock
//	tallylight:{17}:held           set of rooms whose lease is not offline
//	tallylight:{17}:lease:<room>   hash: state, user, fence, broadcast, … of one room
//	tallylight:{17}:online:<room>  the streamer's user id; lasts three heartbeats and is what "online" means to others
//	tallylight:{17}:news           channel that says that the log has grown
//	tallylight:{nodes}:leases      sorted set: node → end of its lease
//
// Package rooms keeps its own keys beside them, see rooms/redis.go.

//go:embed lua/lease.lua
var leaseLua string

var (
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/start.lua
	startLua string
	//go:embed lua/update.lua
	updateLua string
	//go:embed lua/end.lua
	endLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/sweep.lua
	sweepLua string
	//go:embed lua/beat.lua
	beatLua string
	//go:embed lua/load.lua
	loadLua string
	//go:embed lua/follow.lua
	followLua string
)

var (
	claimScript   = redisconn.NewScript(leaseLua, claimLua)
	startScript   = redisconn.NewScript(leaseLua, startLua)
	updateScript  = redisconn.NewScript(leaseLua, updateLua)
	endScript     = redisconn.NewScript(leaseLua, endLua)
	releaseScript = redisconn.NewScript(leaseLua, releaseLua)
	sweepScript   = redisconn.NewScript(leaseLua, sweepLua)
	beatScript    = redisconn.NewScript(leaseLua, beatLua)
	loadScript    = redisconn.NewScript(leaseLua, loadLua)
	followScript  = redisconn.NewScript(leaseLua, followLua)
)

// missedBeats is after how many heartbeats that did not come a presence key is gone: three, so that the two that a
// browser may throttle do not count.
const missedBeats = 3

// sweptAtOnce is how many broadcasts one sweep ends at most: a script holds up everybody else.
const sweptAtOnce = 100

// RedisConfig is what a Redis store is made of.
type RedisConfig struct {
	Conn   *redisconn.Conn // required
	Node   string          // this node's id, required
	Logger *slog.Logger    // required
	// Heartbeat is how often a streamer is heard from; a presence key lasts three of these.
	Heartbeat time.Duration
}

// Redis is the Store that nodes share. Every write is one script, which is atomic and takes its time from Redis: the
// nodes' clocks do not matter. When Redis does not answer, methods fail with ErrUnavailable after two seconds at most.
type Redis struct {
	cfg      RedisConfig
	lasts    string // ms that a presence key lasts
	listener *redisconn.Listener
	watchers watchers
	parts    [Partitions]redisPartition // fixed
}

var _ Store = (*Redis)(nil)

// redisPartition holds the names that are made anew for no call.
type redisPartition struct {
	keys []string // KEYS of the scripts
	base string   // ARGV[1]
	log  string
}

// NewRedis returns the store and registers the durable followers for which the log is kept. Run must run.
func NewRedis(ctx context.Context, cfg RedisConfig, followers ...string) (*Redis, error) {
	r := &Redis{
		cfg:      cfg,
		lasts:    strconv.FormatInt((missedBeats * cfg.Heartbeat).Milliseconds(), 10),
		listener: cfg.Conn.Listener(cfg.Node + "-presence"),
	}
	var calls []redisconn.Call
	for p := range r.parts {
		base := PartitionBase(cfg.Conn, p)
		r.parts[p] = redisPartition{
			keys: []string{base + "partition", LogKey(cfg.Conn, p), FollowersKey(cfg.Conn, p), base + "deadlines", base + "held"},
			base: base,
			log:  LogKey(cfg.Conn, p),
		}
		r.listener.Listen(base+"news", redisconn.Handler{
			Subscribed: func() { r.watchers.wake(p) }, // what was said before was not heard
			Message:    func(string) { r.watchers.wake(p) },
		})
		for _, name := range followers {
			calls = append(calls, r.call(p, name, ""))
		}
	}
	if _, err := cfg.Conn.RunAll(ctx, followScript, calls); err != nil {
		return nil, unavailable(err)
	}
	return r, nil
}

// PartitionBase returns what the names of a partition's keys begin with.
func PartitionBase(conn *redisconn.Conn, partition int) string {
	return conn.Base(strconv.Itoa(partition))
}

// LogKey names the stream of a partition's transitions. An entry has the fields kind, room, at, user, broadcast,
// reason, until and after, of which user, broadcast and after are JSON; what there is none of is empty.
func LogKey(conn *redisconn.Conn, partition int) string {
	return PartitionBase(conn, partition) + "log"
}

// FollowersKey names the hash of the partition's durable followers: name → seq.
func FollowersKey(conn *redisconn.Conn, partition int) string {
	return PartitionBase(conn, partition) + "followers"
}

// Run hears of news from other nodes until the context ends.
func (r *Redis) Run(ctx context.Context) { r.listener.Run(ctx) }

// Check returns an error while news from other nodes do not arrive at once. It does not block.
func (r *Redis) Check() error { return r.listener.Check() }

// call puts the arguments that all scripts on leases have before a script's own.
func (r *Redis) call(partition int, args ...any) redisconn.Call {
	p := &r.parts[partition]
	return redisconn.Call{Keys: p.keys, Args: append([]any{p.base, keptBehind}, args...)}
}

// run runs a script and returns what follows the "ok" of its answer.
func (r *Redis) run(ctx context.Context, s *redisconn.Script, partition int, args ...any) ([]redisconn.Reply, error) {
	call := r.call(partition, args...)
	reply, err := r.cfg.Conn.Run(ctx, s, call.Keys, call.Args...)
	if err != nil {
		return nil, unavailable(err)
	}
	answer := reply.List()
	switch status := answer[0].Text(); status {
	case "ok":
		return answer[1:], nil
	case "conflict":
		return nil, ErrConflict
	case "fenced":
		return nil, ErrFenced
	default:
		return nil, fmt.Errorf("presence: a script answered %q", status)
	}
}

func unavailable(err error) error { return fmt.Errorf("%w: redis: %w", ErrUnavailable, err) }

// Claim implements Leases.
func (r *Redis) Claim(ctx context.Context, c Claim) (Claimed, error) {
	answer, err := r.run(ctx, claimScript, PartitionOf(c.Room), c.Room, c.User.ID, wire.JSON(c.User), c.Connection, c.Node, r.lasts)
	if err != nil {
		return Claimed{}, err
	}
	lease, err := leaseOf(answer[2].Fields())
	return Claimed{Lease: lease, Replaced: answer[0].Text(), ReplacedNode: answer[1].Text()}, err
}

// Start implements Leases.
func (r *Redis) Start(ctx context.Context, h Hold, s Start) (Lease, error) {
	window := ""
	if s.Window != nil {
		window = strconv.FormatInt(s.Window.Milliseconds(), 10)
	}
	d := s.Details
	args := append([]any{newBroadcastID(), window}, changed(&d.Title, &d.Category, &d.Language, &d.Tags)...)
	return r.write(ctx, startScript, h, args...)
}

// Update implements Leases.
func (r *Redis) Update(ctx context.Context, h Hold, c Changes) (Lease, error) {
	return r.write(ctx, updateScript, h, changed(c.Title, c.Category, c.Language, c.Tags)...)
}

// changed lists the details that are given as pairs of a name and JSON; an empty one is ”.
func changed(title, category, language *string, tags *[]string) []any {
	var pairs []any
	text := func(name string, value *string) {
		switch {
		case value == nil:
		case *value == "":
			pairs = append(pairs, name, "")
		default:
			pairs = append(pairs, name, wire.JSON(*value))
		}
	}
	text("title", title)
	text("category", category)
	text("language", language)
	switch {
	case tags == nil:
	case len(*tags) == 0:
		pairs = append(pairs, "tags", "")
	default:
		pairs = append(pairs, "tags", wire.JSON(*tags))
	}
	return pairs
}

// End implements Leases.
func (r *Redis) End(ctx context.Context, h Hold, why Reason) (Lease, error) {
	return r.write(ctx, endScript, h, string(why))
}

// Release implements Leases.
func (r *Redis) Release(ctx context.Context, h Hold, why Reason) error {
	window := int64(0)
	if why.opensWindow() {
		window = (&Lease{}).window(why).Milliseconds()
	}
	_, err := r.run(ctx, releaseScript, PartitionOf(h.Room), h.Room, fence(h), string(why), window)
	return err
}

// write runs a script on behalf of a lease's holder and returns the lease as it is then.
func (r *Redis) write(ctx context.Context, s *redisconn.Script, h Hold, args ...any) (Lease, error) {
	answer, err := r.run(ctx, s, PartitionOf(h.Room), append([]any{h.Room, fence(h)}, args...)...)
	if err != nil {
		return Lease{}, err
	}
	return leaseOf(answer[0].Fields())
}

func fence(h Hold) string { return strconv.FormatInt(int64(h.Fence), 10) }

// Get implements Leases.
func (r *Redis) Get(ctx context.Context, room string) (Lease, error) {
	fields, err := r.cfg.Conn.Client().HGetAll(ctx, r.parts[PartitionOf(room)].base+"lease:"+room).Result()
	if err != nil {
		return Lease{}, unavailable(err)
	}
	if len(fields) == 0 {
		return Lease{Room: room, State: StateOffline}, nil
	}
	return leaseOf(fields)
}

// Beat implements Leases. All beats go to Redis in one round trip.
func (r *Redis) Beat(ctx context.Context, holds []Hold) (replaced []Hold, err error) {
	pairs := make(map[int][]any)
	for _, h := range holds {
		p := PartitionOf(h.Room)
		pairs[p] = append(pairs[p], h.Room, fence(h))
	}
	calls := make([]redisconn.Call, 0, len(pairs))
	for p, beaten := range pairs {
		calls = append(calls, r.call(p, append([]any{r.lasts}, beaten...)...))
	}
	replies, err := r.cfg.Conn.RunAll(ctx, beatScript, calls)
	if err != nil {
		return nil, unavailable(err)
	}
	for _, reply := range replies {
		pairs := reply.List()[1].Texts()
		for i := 0; i+1 < len(pairs); i += 2 {
			n, err := strconv.ParseInt(pairs[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("presence: fence %q of room %q: %w", pairs[i+1], pairs[i], err)
			}
			replaced = append(replaced, Hold{Room: pairs[i], Fence: Fence(n)})
		}
	}
	return replaced, nil
}

// Sweep implements Store.
func (r *Redis) Sweep(ctx context.Context, partition int, lag time.Duration) (int, error) {
	answer, err := r.run(ctx, sweepScript, partition, lag.Milliseconds(), sweptAtOnce)
	if err != nil {
		return 0, err
	}
	return int(answer[0].Int()), nil
}

// Load implements Log.
func (r *Redis) Load(ctx context.Context, partition int) ([]Lease, uint64, error) {
	answer, err := r.run(ctx, loadScript, partition)
	if err != nil {
		return nil, 0, err
	}
	seq, err := strconv.ParseUint(answer[0].Text(), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("presence: position %q of partition %d: %w", answer[0].Text(), partition, err)
	}
	var leases []Lease
	for _, fields := range answer[1].List() {
		lease, err := leaseOf(fields.Fields())
		if err != nil {
			return nil, 0, err
		}
		leases = append(leases, lease)
	}
	return leases, seq, nil
}

// Read implements Log.
func (r *Redis) Read(ctx context.Context, partition int, after uint64, max int) ([]Transition, error) {
	first := strconv.FormatUint(after+1, 10) + "-0"
	entries, err := r.cfg.Conn.Client().XRangeN(ctx, r.parts[partition].log, first, "+", int64(max)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	made := make([]Transition, len(entries))
	for i, e := range entries {
		if made[i], err = transitionOf(e); err != nil {
			return nil, err
		}
	}
	if len(made) > 0 && made[0].Seq != after+1 {
		return nil, ErrTrimmed
	}
	return made, nil
}

// Acked implements Log.
func (r *Redis) Acked(ctx context.Context, follower string, partition int) (uint64, error) {
	return r.follow(ctx, follower, partition, "")
}

// Ack implements Log.
func (r *Redis) Ack(ctx context.Context, follower string, partition int, upTo uint64) error {
	_, err := r.follow(ctx, follower, partition, strconv.FormatUint(upTo, 10))
	return err
}

func (r *Redis) follow(ctx context.Context, follower string, partition int, upTo string) (uint64, error) {
	answer, err := r.run(ctx, followScript, partition, follower, upTo)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(answer[0].Text(), 10, 64)
}

// Watch implements Log.
func (r *Redis) Watch(wake func(partition int)) (stop func()) { return r.watchers.watch(wake) }
