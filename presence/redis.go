package presence

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/wire"
)

// The keys of partition 17, under the default prefix. All carry its hash tag, so that one script may touch them all.
// lua/partition.lua, view.lua and lease.lua say what is in them.
//
//	tallylight:{17}:partition      hash: epoch, seq, fence, clock, …
//	tallylight:{17}:log            stream of transitions, ids <seq>-0
//	tallylight:{17}:followers      hash: durable follower → seq
//	tallylight:{17}:notes          stream of notes for the record, at most NotesKept
//	tallylight:{17}:deadlines      sorted set: room → end of its window or handover on the partition's clock
//	tallylight:{17}:held           set of rooms whose lease is not offline
//	tallylight:{17}:dead           sorted set: lives of nodes that were declared dead → when
//	tallylight:{17}:ended          sorted set: broadcasts that ended lately → when
//	tallylight:{17}:of:<life>      set of rooms that a node holds in that life
//	tallylight:{17}:lease:<room>   hash: state, user, fence, broadcast, … of one room
//	tallylight:{17}:online:<room>  the streamer's user id; lasts three heartbeats and is what "online" means to others
//	tallylight:{17}:news           channel that says that the log has grown
//	tallylight:{nodes}:leases      sorted set: life of a node → end of its lease; beside it dead and state, see lua/nodes.lua
//	tallylight:{nodes}:report:n1   JSON: what a node says of itself, as long as its lease, see reports.go
//
// Package rooms keeps its own keys beside them, see rooms/redis.go.

var (
	//go:embed lua/partition.lua
	partitionLua string
	//go:embed lua/view.lua
	viewLua string
	//go:embed lua/lease.lua
	leaseLua string
)

var (
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/unclaim.lua
	unclaimLua string
	//go:embed lua/start.lua
	startLua string
	//go:embed lua/update.lua
	updateLua string
	//go:embed lua/end.lua
	endLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/handover.lua
	handoverLua string
	//go:embed lua/assert.lua
	assertLua string
	//go:embed lua/sweep.lua
	sweepLua string
	//go:embed lua/beat.lua
	beatLua string
	//go:embed lua/load.lua
	loadLua string
	//go:embed lua/follow.lua
	followLua string
	//go:embed lua/get.lua
	getLua string
)

var (
	claimScript    = leaseScriptOf(claimLua)
	unclaimScript  = leaseScriptOf(unclaimLua)
	startScript    = leaseScriptOf(startLua)
	updateScript   = leaseScriptOf(updateLua)
	endScript      = leaseScriptOf(endLua)
	releaseScript  = leaseScriptOf(releaseLua)
	handoverScript = leaseScriptOf(handoverLua)
	assertScript   = leaseScriptOf(assertLua)
	sweepScript    = leaseScriptOf(sweepLua)
	beatScript     = leaseScriptOf(beatLua)
	loadScript     = leaseScriptOf(loadLua)
	followScript   = leaseScriptOf(followLua)
	getScript      = redisconn.NewScript(getLua)
)

func leaseScriptOf(lua string) *redisconn.Script {
	return redisconn.NewScript(partitionLua, viewLua, leaseLua, lua)
}

// PartitionScript returns a script of another package on what it keeps beside the leases of a partition. It begins with
// lua/partition.lua, by which it has ARGV[1] and ARGV[2], and lua/view.lua.
func PartitionScript(pieces ...string) *redisconn.Script {
	return redisconn.NewScript(append([]string{partitionLua, viewLua}, pieces...)...)
}

// missedBeats is after how many heartbeats that did not come a presence key is gone: three, so that the two that a
// browser may throttle do not count.
const missedBeats = 3

// sweptAtOnce is how many leases one sweep changes at most: a script holds up everybody else.
const sweptAtOnce = 100

// RedisConfig is what a Redis store is made of.
type RedisConfig struct {
	Conn   *redisconn.Conn // required
	Node   string          // this node's id, required
	Nodes  *Nodes          // who else there is; nil: what dies is not noticed
	Logger *slog.Logger    // required
	// Heartbeat is how often a streamer is heard from; a presence key lasts three of these.
	Heartbeat time.Duration
}

// Redis is the Store that nodes share. Every write is one script, which is atomic and takes its time from Redis: the
// nodes' clocks do not matter. When Redis does not answer, methods fail with ErrUnavailable after two seconds at most.
//
// When Redis has lost data, whatever is done next first puts back what this node knows, see recover.go.
type Redis struct {
	cfg      RedisConfig
	lasts    string // ms that a presence key lasts
	listener *redisconn.Listener
	watchers watchers
	held     *holdings
	parts    [Partitions]redisPartition
	begunAt  time.Time   // when this node, as it came, found a partition without data; zero: it did not
	complete atomic.Bool // see Complete

	// Set before Run runs.
	knowledge func(partition int) Knowledge
	recovered func(partition int)
	lost      func(l Lease, replaced bool)
}

var _ Store = (*Redis)(nil)

type redisPartition struct {
	// Fixed: the names that are made anew for no call.
	keys       []string // KEYS of the scripts
	base       string   // ARGV[1]
	log, notes string

	epoch atomic.Pointer[string] // under which this node knows the partition; toldMu is held when it changes
	// asserting is held by who says what this node holds, and shared by who changes that: what is said must not be
	// overtaken by what is being given up.
	asserting sync.RWMutex
	toldMu    sync.Mutex
	told      map[string]bool // lives of the dead of which the partition knows, and that hold nothing there any more
	audit     atomic.Bool     // look whether what is tied to this node is held by it

	recoveredAt atomic.Int64 // Unix ns, 0: never
}

// NewRedis returns the store and registers the durable followers for which the log is kept. Run must run.
func NewRedis(ctx context.Context, cfg RedisConfig, followers ...string) (*Redis, error) {
	r := &Redis{
		cfg:       cfg,
		lasts:     strconv.FormatInt((missedBeats * cfg.Heartbeat).Milliseconds(), 10),
		listener:  cfg.Conn.Listener(cfg.Node + "-presence"),
		held:      newHoldings(),
		lost:      func(Lease, bool) {},
		knowledge: func(int) Knowledge { return Knowledge{} },
		recovered: func(int) {},
	}
	var calls []redisconn.Call
	for p := range r.parts {
		base := PartitionBase(cfg.Conn, p)
		part := &r.parts[p]
		part.keys = []string{partitionKey(cfg.Conn, p), logKey(cfg.Conn, p), followersKey(cfg.Conn, p), base + "deadlines", base + "held", base + "dead", base + "ended"}
		part.base, part.log, part.notes = base, logKey(cfg.Conn, p), notesKey(cfg.Conn, p)
		part.told = make(map[string]bool)
		part.epoch.Store(new(string))
		r.listener.Listen(base+"news", redisconn.Handler{
			Subscribed: func() { r.watchers.wake(p) }, // what was said before was not heard
			Message:    func(string) { r.watchers.wake(p) },
		})
		for _, name := range append(followers, epochFollower) {
			calls = append(calls, r.call(p, name, ""))
		}
	}
	replies, err := cfg.Conn.RunAll(ctx, followScript, calls)
	if err != nil {
		return nil, unavailable(err)
	}
	for i, reply := range replies {
		epoch := reply.List()[2].Text()
		r.parts[i/(len(followers)+1)].epoch.Store(&epoch)
		if reply.List()[3].Int() == 1 {
			r.begunAt = time.Now()
		}
	}
	return r, nil
}

// PartitionBase returns what the names of a partition's keys begin with.
func PartitionBase(conn *redisconn.Conn, partition int) string {
	return conn.Base(strconv.Itoa(partition))
}

// logKey names the stream of a partition's transitions. An entry has the fields kind, room, at, user, broadcast,
// reason, until and after, of which user, broadcast and after are JSON; what there is none of is empty.
func logKey(conn *redisconn.Conn, partition int) string {
	return PartitionBase(conn, partition) + "log"
}

// followersKey names the hash of the partition's durable followers: name → seq.
func followersKey(conn *redisconn.Conn, partition int) string {
	return PartitionBase(conn, partition) + "followers"
}

// Run hears of news from other nodes until the context ends.
func (r *Redis) Run(ctx context.Context) {
	var auditing sync.WaitGroup
	auditing.Go(func() { r.auditAll(ctx) })
	r.listener.Run(ctx)
	auditing.Wait()
}

// Check returns an error while news from other nodes do not arrive at once. It does not block.
func (r *Redis) Check() error { return r.listener.Check() }

// Silence returns for how long nothing was heard of Redis, see redisconn.Listener. It does not block.
func (r *Redis) Silence() time.Duration { return r.listener.Silence() }

// call puts the arguments that all scripts on leases have before a script's own.
func (r *Redis) call(partition int, args ...any) redisconn.Call {
	return r.callUnder(*r.parts[partition].epoch.Load(), partition, args...)
}

func (r *Redis) callUnder(epoch string, partition int, args ...any) redisconn.Call {
	p := &r.parts[partition]
	return redisconn.Call{Keys: p.keys, Args: append([]any{p.base, epoch, keptBehind}, args...)}
}

// run runs a script and returns what follows the "ok" of its answer.
func (r *Redis) run(ctx context.Context, s *redisconn.Script, partition int, args ...any) ([]redisconn.Reply, error) {
	return r.runNoting(ctx, s, partition, nil, args...)
}

// runNoting also calls note with that, before anybody may say what this node holds. It fails at once on a node that is
// isolated.
func (r *Redis) runNoting(ctx context.Context, s *redisconn.Script, partition int, note func([]redisconn.Reply) error, args ...any) ([]redisconn.Reply, error) {
	if err := r.reachable(); err != nil {
		return nil, err
	}
	var answer []redisconn.Reply
	err := r.InEpoch(ctx, partition, func(epoch string) (status string, err error) {
		part := &r.parts[partition]
		part.asserting.RLock()
		defer part.asserting.RUnlock()
		call := r.callUnder(epoch, partition, args...)
		reply, err := r.cfg.Conn.Run(ctx, s, call.Keys, call.Args...)
		if err != nil {
			return "", unavailable(err)
		}
		list := reply.List()
		status, answer = list[0].Text(), list[1:]
		if status == "ok" && note != nil {
			return status, note(answer)
		}
		return status, nil
	})
	return answer, err
}

// reachable returns an error on a node that is isolated: who waits for an answer that will not come should rather go to
// another node.
func (r *Redis) reachable() error {
	if r.cfg.Nodes == nil {
		return nil
	}
	if err := r.cfg.Nodes.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnasked, err)
	}
	return nil
}

func unavailable(err error) error { return fmt.Errorf("%w: redis: %w", ErrUnavailable, err) }

// Claim implements Leases.
func (r *Redis) Claim(ctx context.Context, c Claim) (claimed Claimed, err error) {
	if c.Life == "" && c.Node == r.cfg.Node {
		c.Life = r.cfg.Nodes.Life()
	}
	note := func(answer []redisconn.Reply) (err error) {
		claimed = Claimed{Replaced: answer[0].Text(), ReplacedNode: answer[1].Text(), Began: answer[3].Int() == 1}
		if claimed.Lease, err = leaseOf(answer[2].Fields()); err == nil && c.Node == r.cfg.Node {
			r.held.note(claimed.Lease)
		}
		return err
	}
	partition := PartitionOf(c.Room)
	_, err = r.runNoting(ctx, claimScript, partition, note, c.Room, c.User.ID, wire.JSON(c.User), c.Connection, c.Node, c.Life, r.lasts)
	if err == nil && c.Node == r.cfg.Node && c.Life != r.cfg.Nodes.Life() {
		r.parts[partition].audit.Store(true) // claimed at the very end of a life: the next one must hold it
	}
	return claimed, err
}

// Unclaim implements Leases.
func (r *Redis) Unclaim(ctx context.Context, c Claim) error {
	r.held.dropConnection(c.Room, c.Connection)
	_, err := r.run(ctx, unclaimScript, PartitionOf(c.Room), unclaimArgs(c, true)...)
	return err
}

// unclaimArgs are those of unclaim.lua. gone: the connection is, and claims nothing any more.
func unclaimArgs(c Claim, gone bool) []any {
	window, least := ReasonConnectionLost.windows()
	return []any{c.Room, c.Connection, c.Node, string(ReasonConnectionLost), window.Milliseconds(), least.Milliseconds(), flag(gone)}
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
	was := r.held.drop(h)
	_, err := r.run(ctx, releaseScript, PartitionOf(h.Room), releaseArgs(h, why)...)
	switch {
	case err == nil && !why.OpensWindow():
		r.held.gaveUp(h, was.Broadcast)
	case err == nil || errors.Is(err, ErrFenced):
		r.held.gaveUp(h, nil)
	}
	return err
}

func releaseArgs(h Hold, why Reason) []any {
	window, least := why.windows()
	if !why.OpensWindow() {
		window = 0
	}
	return []any{h.Room, fence(h), string(why.told()), window.Milliseconds(), least.Milliseconds()}
}

// HandOver implements Leases. All go to Redis in one round trip.
func (r *Redis) HandOver(ctx context.Context, handed []Handover) error {
	args := make(map[int][]any)
	for _, h := range handed {
		r.held.handOver(h)
		p := PartitionOf(h.Room)
		args[p] = append(args[p], h.Room, fence(h.Hold), h.Wait.Milliseconds())
	}
	return r.runAll(ctx, handoverScript, args, func([]redisconn.Reply) error { return nil })
}

// runAll runs a script on several partitions in one round trip, and again on those that had to be put back first.
func (r *Redis) runAll(ctx context.Context, s *redisconn.Script, args map[int][]any, take func([]redisconn.Reply) error) error {
	partitions := slices.Sorted(maps.Keys(args))
	calls := make([]redisconn.Call, len(partitions))
	for i, p := range partitions {
		calls[i] = r.call(p, args[p]...)
	}
	for i, o := range r.cfg.Conn.RunEach(ctx, s, calls) {
		answer, err := r.afterwards(ctx, s, o, partitions[i], args[partitions[i]])
		if err != nil {
			return err
		}
		if err := take(answer); err != nil {
			return err
		}
	}
	return nil
}

// afterwards returns what follows the "ok" of an answer that was had together with others. Where that is not "ok" it runs
// the script once more, by itself, which puts back what was lost.
func (r *Redis) afterwards(ctx context.Context, s *redisconn.Script, o redisconn.Outcome, partition int, args []any) ([]redisconn.Reply, error) {
	if o.Err != nil {
		return nil, unavailable(o.Err)
	}
	if answer := o.Reply.List(); answer[0].Text() == "ok" {
		return answer[1:], nil
	}
	return r.run(ctx, s, partition, args...)
}

// write runs a script on behalf of a lease's holder and returns the lease as it is then.
func (r *Redis) write(ctx context.Context, s *redisconn.Script, h Hold, args ...any) (l Lease, err error) {
	note := func(answer []redisconn.Reply) (err error) {
		if l, err = leaseOf(answer[0].Fields()); err == nil && l.Node == r.cfg.Node {
			r.held.note(l)
		}
		return err
	}
	_, err = r.runNoting(ctx, s, PartitionOf(h.Room), note, append([]any{h.Room, fence(h)}, args...)...)
	return l, err
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

// GetAll implements Leases. All rooms of a partition are read by one script, and all scripts go to Redis in one round trip.
func (r *Redis) GetAll(ctx context.Context, rooms []string) ([]Lease, error) {
	places := make(map[int][]int) // of each partition, which of the rooms are in it
	for i, room := range rooms {
		p := PartitionOf(room)
		places[p] = append(places[p], i)
	}
	partitions := slices.Collect(maps.Keys(places))
	calls := make([]redisconn.Call, len(partitions))
	for i, p := range partitions {
		part := &r.parts[p]
		args := append([]any{part.base, len(leaseFields)}, leaseFields...)
		for _, place := range places[p] {
			args = append(args, rooms[place])
		}
		calls[i] = redisconn.Call{Keys: part.keys[:1], Args: args}
	}
	replies, err := r.cfg.Conn.RunAll(ctx, getScript, calls)
	if err != nil {
		return nil, unavailable(err)
	}
	leases := make([]Lease, len(rooms))
	for i, reply := range replies {
		for n, values := range reply.List() {
			place := places[partitions[i]][n]
			if leases[place], err = leaseAmong(values); err != nil {
				return nil, err
			}
			leases[place].Room = rooms[place]
		}
	}
	return leases, nil
}

// Beat implements Leases. All beats go to Redis in one round trip.
func (r *Redis) Beat(ctx context.Context, holds []Hold) (replaced []Hold, err error) {
	args := make(map[int][]any)
	for _, h := range holds {
		p := PartitionOf(h.Room)
		if args[p] == nil {
			args[p] = []any{r.lasts}
		}
		args[p] = append(args[p], h.Room, fence(h))
	}
	err = r.runAll(ctx, beatScript, args, func(answer []redisconn.Reply) error {
		pairs := answer[0].Texts()
		for i := 0; i+1 < len(pairs); i += 2 {
			n, err := strconv.ParseInt(pairs[i+1], 10, 64)
			if err != nil {
				return fmt.Errorf("presence: fence %q of room %q: %w", pairs[i+1], pairs[i], err)
			}
			replaced = append(replaced, Hold{Room: pairs[i], Fence: Fence(n)})
		}
		return nil
	})
	return replaced, err
}

// sweptTogether is how many partitions are swept in one round trip. Redis carries them out one after the other before it
// turns to somebody else: after a node's death each may change sweptAtOnce leases, and all at once would hold up those who
// come back for a quarter of a second.
const sweptTogether = 8

// Sweep implements Store.
func (r *Redis) Sweep(ctx context.Context, due ...Due) (changed int, err error) {
	if err := r.reachable(); err != nil {
		return 0, err
	}
	var failed []error
	for together := range slices.Chunk(due, sweptTogether) {
		n, errs := r.sweep(ctx, together)
		if changed += n; len(errs) == len(together) { // there is no use in asking for the others
			return changed, errors.Join(append(failed, errs[0])...)
		}
		failed = append(failed, errs...)
	}
	return changed, errors.Join(failed...)
}

// sweep sweeps in one round trip, and again where what was lost had to be put back first.
func (r *Redis) sweep(ctx context.Context, due []Due) (changed int, failed []error) {
	lost, least := ReasonNodeLost.windows()
	drained, _ := ReasonDrain.windows()
	calls := make([]redisconn.Call, len(due))
	args := make([][]any, len(due))
	epochs := make([]string, len(due))
	dead := make([][]string, len(due))
	for i, d := range due {
		epochs[i] = *r.parts[d.Partition].epoch.Load()
		args[i] = []any{d.Lag.Milliseconds(), sweptAtOnce, lost.Milliseconds(), drained.Milliseconds(), least.Milliseconds()}
		if r.cfg.Nodes != nil {
			dead[i] = r.parts[d.Partition].untold(r.cfg.Nodes.Dead())
		}
		for _, life := range dead[i] {
			args[i] = append(args[i], life)
		}
		calls[i] = r.callUnder(epochs[i], d.Partition, args[i]...)
	}
	for i, o := range r.cfg.Conn.RunEach(ctx, sweepScript, calls) {
		partition := due[i].Partition
		answer, err := r.afterwards(ctx, sweepScript, o, partition, args[i])
		if err != nil {
			failed = append(failed, fmt.Errorf("partition %d: %w", partition, err))
			continue
		}
		changed += int(answer[0].Int())
		if more := answer[1].Int() == 1; !more {
			r.parts[partition].tell(epochs[i], dead[i])
		}
	}
	return changed, failed
}

// untold returns those of whom the partition may not know.
func (p *redisPartition) untold(dead []string) []string {
	p.toldMu.Lock()
	defer p.toldMu.Unlock()
	var untold []string
	for _, life := range dead {
		if !p.told[life] {
			untold = append(untold, life)
		}
	}
	return untold
}

// tell notes what the partition was told in an epoch, if that is the present one: in another it may have been forgotten.
func (p *redisPartition) tell(epoch string, dead []string) {
	p.toldMu.Lock()
	defer p.toldMu.Unlock()
	if epoch != *p.epoch.Load() {
		return
	}
	for _, life := range dead {
		p.told[life] = true
	}
}

// begin notes that a new epoch began, which knows nothing of what was told in the last.
func (p *redisPartition) begin(epoch string) {
	p.toldMu.Lock()
	defer p.toldMu.Unlock()
	clear(p.told)
	p.epoch.Store(&epoch)
}

// Load implements Log.
func (r *Redis) Load(ctx context.Context, partition int) ([]Lease, uint64, error) {
	answer, err := r.run(ctx, loadScript, partition, leaseFields...)
	if err != nil {
		return nil, 0, err
	}
	seq, err := strconv.ParseUint(answer[0].Text(), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("presence: position %q of partition %d: %w", answer[0].Text(), partition, err)
	}
	all := answer[1].List()
	leases := make([]Lease, len(all))
	for i, values := range all {
		if leases[i], err = leaseAmong(values); err != nil {
			return nil, 0, err
		}
	}
	return leases, seq, nil
}

// Read implements Log.
func (r *Redis) Read(ctx context.Context, partition int, after uint64, max int) ([]Transition, error) {
	first := strconv.FormatUint(after+1, 10) + "-0"
	// What the log no longer has, another epoch may have lost: Load finds out.
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
	for i, t := range made {
		switch {
		case i == 0:
			if t.Seq != after+1 || t.Kind == epochBegan {
				err = ErrTrimmed
			}
		case t.Kind == epochBegan, t.Seq != made[i-1].Seq+1:
			return made[:i], nil // what follows comes with the next call, which begins with a gap
		}
	}
	return made, err
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
