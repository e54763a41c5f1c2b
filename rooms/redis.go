package rooms

import (
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

// The keys and channels of package rooms, under the default prefix, beside those of package presence. lua/room.lua and
// lua/publish.lua describe those of one room:
//
//	tallylight:{17}:room:<room>     hash: epoch, offset, view
//	tallylight:{17}:events:<room>   stream of the last events
//	tallylight:{17}:used:<room>     idempotency keys, with usedat:<room>
//	tallylight:{17}:slow:<room>     who said a line of chat when, while chat is slow; ends when all of them may speak again
//	tallylight:{17}:say:<room>      channel of the room's events, and of its reactions, which are kept nowhere; a node listens
//	                                while it has members there
//	tallylight:{17}:viewers         hash: <node> <room> → how many the node has there, and the broadcast they watch
//	tallylight:{17}:counts          channel of changes of that hash
//	tallylight:{17}:audience:<broadcast>  hash: <node> → what was watched there; viewers.lua describes it
//	tallylight:{17}:distinct:<broadcast>  who watched, as a HyperLogLog; both end a week after the last report at the
//	                                      latest, an hour after the record was written
//	tallylight:{17}:peers:<room>    hash: signalling session → between whom it is; ends when it was not said again for an hour
//	tallylight:{inbox-<node>}:inbox channel of one node; members: who is in a room elsewhere; signals: what members of
//	                                this node are told by one elsewhere; signalled: what became of those sent from here
//	tallylight:{control}:control    channel of all nodes; members: questions about who is in a room

var (
	//go:embed lua/room.lua
	roomLua string
	//go:embed lua/publish.lua
	publishLua string
	//go:embed lua/follow.lua
	followLua string
	//go:embed lua/apply.lua
	applyLua string
	//go:embed lua/read.lua
	readLua string
	//go:embed lua/viewers.lua
	viewersLua string
	//go:embed lua/clear.lua
	clearLua string
)

var (
	publishScript = presence.PartitionScript(roomLua, publishLua)
	applyScript   = presence.PartitionScript(roomLua, followLua, applyLua)
	readScript    = presence.PartitionScript(roomLua, followLua, readLua)
	viewersScript = redisconn.NewScript(viewersLua)
	clearScript   = redisconn.NewScript(clearLua)
)

const (
	// roomIdle is how long a room is remembered that is offline and in which nothing happens: far longer than its
	// events are, because one that is forgotten under its members costs each of them a new snapshot.
	roomIdle = 6 * time.Hour
	// subscribeWithin bounds the wait for a first snapshot.
	subscribeWithin = 5 * time.Second
)

// RedisConfig is what a Redis relay is made of. All fields are required.
type RedisConfig struct {
	Conn   *redisconn.Conn
	Node   string          // this node's id
	Store  *presence.Redis // where the transitions come from; it keeps them for PresenceFollower
	Nodes  *presence.Nodes // which nodes' viewers count
	Logger *slog.Logger
}

// Redis is the Relay between nodes. An event is positioned, kept and published by one script; a node hears only the
// rooms that it has a receiver for. Whatever a node may have missed, it reads from the room's log: see tap. When Redis
// does not answer, methods fail with presence.ErrUnavailable.
type Redis struct {
	cfg      RedisConfig
	listener *redisconn.Listener
	parts    [presence.Partitions]relayPartition // fixed
	counts   *counts
	roster   *roster
	courier  *courier
	sink     Sink

	life   context.Context // of the goroutines that read for taps
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	feeds map[string]*feed
	ended bool // no goroutine may be added to work
}

var _ Relay = (*Redis)(nil)

// relayPartition holds names that are made anew for no call.
type relayPartition struct {
	base    string
	routing []string // what a script is routed by: its keys depend on the room
}

// NewRedis returns the relay of one node; Run must run. It adds itself to the watchers of cfg.Nodes.
func NewRedis(cfg RedisConfig) *Redis {
	r := &Redis{cfg: cfg, listener: cfg.Conn.Listener(cfg.Node + "-rooms"), feeds: make(map[string]*feed)}
	r.life, r.cancel = context.WithCancel(context.Background())
	for p := range r.parts {
		base := presence.PartitionBase(cfg.Conn, p)
		r.parts[p] = relayPartition{
			base:    base,
			routing: []string{base + "room"},
		}
	}
	r.counts = newCounts(r)
	r.roster = newRoster(r)
	r.courier = newCourier(r)
	return r
}

// Attach implements Relay.
func (r *Redis) Attach(s Sink) {
	r.sink = s
	obey := redisconn.Handler{Message: r.obey}
	r.listener.Listen(r.inbox(r.cfg.Node), obey)
	r.listener.Listen(r.control(), obey)
	r.roster.listen(r.listener)
	r.courier.listen(r.listener)
}

// Run hears of other nodes until the context ends. It then takes back what this node told of its viewers, and waits for
// what it started.
func (r *Redis) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { r.counts.run(ctx) })
	r.listener.Run(ctx)
	running.Wait()
	r.counts.leave()
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.cancel()
	r.work.Wait()
}

// Check returns an error while what others publish does not arrive. It does not block.
func (r *Redis) Check() error { return r.listener.Check() }

// Silence returns for how long nothing was heard of Redis, see redisconn.Listener. It does not block.
func (r *Redis) Silence() time.Duration { return r.listener.Silence() }

// run runs a script that begins with room.lua, and returns what follows the "ok" of its answer.
func (r *Redis) run(ctx context.Context, s *redisconn.Script, partition int, keys []string, args ...any) (answer []redisconn.Reply, err error) {
	err = r.cfg.Store.InEpoch(ctx, partition, func(epoch string) (string, error) {
		all := append([]any{r.parts[partition].base, epoch, newEpoch(), LogEvents, LogAge.Milliseconds(), roomIdle.Milliseconds(), PresenceFollower}, args...)
		reply, err := r.cfg.Conn.Run(ctx, s, keys, all...)
		if err != nil {
			return "", unavailable(err)
		}
		list := reply.List()
		answer = list[1:]
		switch list[0].Text() {
		case "reused":
			return "", ErrKeyReused
		case "slow":
			return "", &TooSoon{time.Duration(list[1].Int()) * time.Millisecond}
		}
		return list[0].Text(), nil
	})
	return answer, err
}

func unavailable(err error) error { return fmt.Errorf("%w: redis: %w", presence.ErrUnavailable, err) }

// Publish implements Relay.
func (r *Redis) Publish(ctx context.Context, p Publication) (Position, error) {
	from, digest, user := "", "", ""
	if p.From != nil {
		from, user = string(wire.JSON(p.From)), p.From.ID
	}
	if p.Key != "" {
		hash := p.hash()
		digest = hex.EncodeToString(hash[:])
	}
	partition := presence.PartitionOf(p.Room)
	answer, err := r.run(ctx, publishScript, partition, r.parts[partition].routing,
		p.Room, p.Name, from, p.Data, p.Key, digest, KeyAge.Milliseconds(), maxKeys,
		p.notesKept(), user, p.Slow.Milliseconds())
	if err != nil {
		return Position{}, err
	}
	return positionOf(answer[0].Text(), answer[1].Text())
}

// Apply implements Relay.
func (r *Redis) Apply(ctx context.Context, partition int) error {
	for {
		answer, err := r.run(ctx, applyScript, partition, r.parts[partition].routing, LogEvents)
		if err != nil {
			return err
		}
		if answer[0].Int() < LogEvents {
			return nil
		}
	}
}

// Subscribe implements Relay.
func (r *Redis) Subscribe(ctx context.Context, room string, recv Receiver) error {
	ctx, cancel := context.WithTimeout(ctx, subscribeWithin)
	defer cancel()
	err := r.await(ctx, r.enlist(room, recv))
	if err != nil {
		r.Unsubscribe(room, recv)
		return fmt.Errorf("no snapshot of the room came in time: %w", err)
	}
	return nil
}

// CatchUp implements Relay.
func (r *Redis) CatchUp(ctx context.Context, room string, recv Receiver) error {
	t := r.tapOf(room, recv)
	if t == nil {
		return errors.New("rooms: the receiver is not subscribed")
	}
	return r.await(ctx, t.caughtUp())
}

// await waits for a tap.
func (r *Redis) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-r.life.Done():
		return unavailable(errors.New("the relay has ended"))
	}
}

// Unsubscribe implements Relay.
func (r *Redis) Unsubscribe(room string, recv Receiver) {
	if t := r.delist(room, recv); t != nil {
		t.close()
	}
}

// Report implements Relay.
func (r *Redis) Report(ctx context.Context, all []Attendance) []error {
	return r.counts.report(ctx, all)
}

// Command implements Relay. One for this node does not need Redis.
func (r *Redis) Command(ctx context.Context, c Command) error {
	if c.Node == r.cfg.Node {
		r.sink.Command(c)
		return nil
	}
	channel := r.control()
	if c.Node != "" {
		channel = r.inbox(c.Node)
	}
	heard, err := r.cfg.Conn.Client().SPublish(ctx, channel, wire.JSON(c)).Result()
	if err != nil {
		return unavailable(err)
	}
	if heard == 0 && c.Node != "" {
		return ErrNodeGone
	}
	return nil
}

// Members implements Relay.
func (r *Redis) Members(ctx context.Context, room string, first int, after string) Roster {
	return r.roster.members(ctx, room, first, after)
}

// obey takes a command from another node.
func (r *Redis) obey(payload string) {
	var c Command
	if err := json.Unmarshal([]byte(payload), &c); err != nil {
		r.cfg.Logger.Error("rooms: a command can't be read", "error", err)
		return
	}
	r.sink.Command(c)
}

func (r *Redis) inbox(node string) string { return r.cfg.Conn.Base("inbox-"+node) + "inbox" }
func (r *Redis) control() string          { return r.cfg.Conn.Base("control") + "control" }
