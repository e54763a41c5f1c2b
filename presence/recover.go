package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/wire"
)

// Redis can lose what it keeps: FLUSHALL, a restart without its data or with old ones, a failover before the last writes
// were copied. Whatever it does, the nodes know better: each knows what its own connections hold, and has everyone who is
// live in its directory. So each script says under which epoch the node knows the partition, the first that finds another
// server or an empty partition begins a new epoch, and nothing is done for a node that does not know that one before it
// has put back what it knows: lua/assert.lua merges.

// Knowledge is what a node has read of a partition.
type Knowledge struct {
	Leases []Lease // those that are not offline
	Ended  []Ended // broadcasts that ended lately
	Seen   uint64  // the position that they reflect
	Loaded bool    // there are no others
}

// Ended is a broadcast that ended, and where.
type Ended struct{ Room, Broadcast string }

// Told adds what the members of a room on this node were told, should the node not have read it from the log yet: it
// must never be told in another way.
func (k *Knowledge) Told(room string, v View, last *Broadcast) {
	i := slices.IndexFunc(k.Leases, func(l Lease) bool { return l.Room == room })
	if i < 0 || last == nil {
		return
	}
	l := &k.Leases[i]
	if l.Broadcast == nil || l.Broadcast.ID != last.ID || l.Broadcast.Version >= last.Version {
		return
	}
	if v.Broadcast == nil || v.Broadcast.ID != last.ID {
		k.Ended = append(k.Ended, Ended{room, last.ID})
		return
	}
	l.State, l.Broadcast, l.Until, l.Reason = v.State, v.Broadcast, v.Until, v.Reason
}

// OnRecovery connects the store with what it needs when Redis has lost data, or this node was taken for dead. It must be
// called before anything else runs.
//
// knowledge returns what this node knows of a partition beside what it holds itself. recovered is called when a
// partition was put back, and lost when it turned out that this node does not hold a lease any more, of which its
// connection does not know: replaced if somebody else does. None of them may call the store.
func (r *Redis) OnRecovery(knowledge func(partition int) Knowledge, recovered func(partition int), lost func(l Lease, replaced bool)) {
	r.knowledge, r.recovered, r.lost = knowledge, recovered, lost
	if r.cfg.Nodes != nil {
		r.cfg.Nodes.OnReborn(r.reassert)
	}
}

// partitionKey names the partition's hash, see lua/partition.lua.
func partitionKey(conn *redisconn.Conn, partition int) string {
	return PartitionBase(conn, partition) + "partition"
}

// maxEpochs is how often a script is tried again because the epoch ended under it: that may happen twice in a row, while
// Redis is restarting.
const maxEpochs = 3

// InEpoch does something that needs to know the epoch of a partition. If do reports the status "epoch", that is not the
// present one: then what this node knows is put back, and do is called again.
func (r *Redis) InEpoch(ctx context.Context, partition int, do func(epoch string) (status string, err error)) error {
	for range maxEpochs {
		epoch := *r.parts[partition].epoch.Load()
		status, err := do(epoch)
		if err != nil {
			return err
		}
		switch status {
		case "ok":
			return nil
		case "conflict":
			return ErrConflict
		case "fenced":
			return ErrFenced
		case "dead":
			return r.foundDead()
		case "epoch":
			if err := r.recover(ctx, partition, epoch); err != nil {
				return err
			}
		default:
			return fmt.Errorf("presence: a script answered %q", status)
		}
	}
	return fmt.Errorf("%w: redis loses its data again and again", ErrUnavailable)
}

// recover puts back what this node knows of a partition, unless that was done since the caller knew it.
func (r *Redis) recover(ctx context.Context, partition int, was string) error {
	if err := r.recoverAlone(ctx, partition, was); err != nil {
		return err
	}
	r.watchers.wake(partition)
	return nil
}

func (r *Redis) recoverAlone(ctx context.Context, partition int, was string) error {
	part := &r.parts[partition]
	part.asserting.Lock()
	defer part.asserting.Unlock()
	if *part.epoch.Load() != was {
		return nil
	}
	known := r.knowledge(partition)
	begun := time.Now()
	for range maxEpochs {
		epoch, err := r.presentEpoch(ctx, partition)
		if err != nil {
			return err
		}
		status, err := r.assert(ctx, partition, epoch, true, known)
		if err != nil {
			return err
		}
		if status == "epoch" {
			continue
		}
		part.begin(epoch)
		part.recoveredAt.Store(time.Now().UnixNano())
		part.audit.Store(true)
		r.cfg.Logger.Warn("presence: redis had lost data; what this node knows was put back", "partition", partition,
			"leases", len(known.Leases), "took", time.Since(begun).Round(time.Millisecond))
		r.recovered(partition)
		return nil
	}
	return fmt.Errorf("%w: redis loses its data again and again", ErrUnavailable)
}

// epochFollower is nobody: asking for its position tells the epoch.
const epochFollower = ""

func (r *Redis) presentEpoch(ctx context.Context, partition int) (string, error) {
	call := r.callUnder("", partition, epochFollower, "")
	reply, err := r.cfg.Conn.Run(ctx, followScript, call.Keys, call.Args...)
	if err != nil {
		return "", unavailable(err)
	}
	return reply.List()[2].Text(), nil
}

// foundDead is what comes of being told that this node's life is over.
func (r *Redis) foundDead() error {
	if r.cfg.Nodes != nil {
		r.cfg.Nodes.FoundDead(r.cfg.Nodes.Life())
	}
	return fmt.Errorf("%w: this node was taken for dead, and begins another life", ErrUnavailable)
}

// assertedAtOnce is how many leases go into one script: it holds up everybody else.
const assertedAtOnce = 50

// assert says what this node holds in a partition and, after a loss, what else it knows. It returns "epoch" if the epoch
// has ended meanwhile. The caller holds part.asserting.
func (r *Redis) assert(ctx context.Context, partition int, epoch string, loss bool, known Knowledge) (status string, err error) {
	own, ended := r.held.of(partition)
	life := r.cfg.Nodes.Life()
	ended = append(ended, known.Ended...)
	var records [][]any
	mine := make(map[string]bool, len(own))
	for i := range own {
		mine[own[i].Room] = true
		own[i].Node, own[i].Life = r.cfg.Node, life
		records = append(records, recordOfLease(own[i], true))
	}
	for _, l := range known.Leases {
		if !mine[l.Room] {
			records = append(records, recordOfLease(l, false))
		}
	}
	for first := 0; first == 0 || first < len(records); first += assertedAtOnce {
		last := min(first+assertedAtOnce, len(records))
		complete := known.Loaded && last == len(records)
		args := []any{flag(loss), known.Seen, flag(complete), r.lasts, NodeLostWindow.Milliseconds(), DefaultWindow.Milliseconds(), LeastWindow.Milliseconds(), len(ended)}
		for _, e := range ended {
			args = append(args, e.Room, e.Broadcast)
		}
		for _, record := range records[first:last] {
			args = append(args, record...)
		}
		call := r.callUnder(epoch, partition, args...)
		reply, err := r.cfg.Conn.Run(ctx, assertScript, call.Keys, call.Args...)
		if err != nil {
			return "", unavailable(err)
		}
		answer := reply.List()
		switch status := answer[0].Text(); status {
		case "ok":
		case "epoch":
			return status, nil
		default:
			return "", r.foundDead()
		}
		for i, result := range answer[1].List() {
			if err := r.settle(own[first+i], result.List()); err != nil {
				return "", err
			}
		}
	}
	return "ok", nil
}

// settle takes what became of a lease that this node said it holds.
func (r *Redis) settle(l Lease, result []redisconn.Reply) error {
	outcome := result[0].Text()
	if outcome == "kept" {
		now, err := leaseOf(result[1].Fields())
		if err == nil {
			r.held.note(now)
		}
		return err
	}
	r.cfg.Logger.Info("presence: a lease that this node held is not its own any more", "room", l.Room, "outcome", outcome)
	r.held.forget(Hold{l.Room, l.Fence})
	r.lost(l, outcome == "fenced")
	return nil
}

// recordOfLease puts a lease into the form of assert.lua.
func recordOfLease(l Lease, own bool) []any {
	fields := []any{
		"room", l.Room, "state", string(l.State), "uid", l.User.ID, "user", wire.JSON(l.User),
		"fence", int64(l.Fence), "seen", int64(l.LastSeen),
	}
	text := func(name, value string) {
		if value != "" {
			fields = append(fields, name, value)
		}
	}
	text("connection", l.Connection)
	text("node", l.Node)
	if l.Handed {
		fields = append(fields, "handed", handedAgain.Milliseconds())
	} else {
		text("life", l.Life)
	}
	if b := l.Broadcast; b != nil {
		fields = append(fields, "broadcast", b.ID, "started", int64(b.StartedAt), "version", b.Version)
		fields = append(fields, changed(&b.Title, &b.Category, &b.Language, &b.Tags)...)
		text("reason", string(l.Reason))
		if l.Until != 0 {
			fields = append(fields, "ends", int64(l.Until))
		}
		if l.Window != nil {
			fields = append(fields, "window", l.Window.Milliseconds())
		}
	}
	return append([]any{flag(own), len(fields) / 2}, fields...)
}

// handedAgain is how long a lease waits that was handed over before Redis lost it: for how long it had is not known.
const handedAgain = 30 * time.Second

func flag(b bool) string { return strconv.Itoa(map[bool]int{true: 1}[b]) }

// reassert takes back in a new life what this node held in the one before and nobody took meanwhile.
func (r *Redis) reassert(ctx context.Context) {
	for p := range r.parts {
		if own, _ := r.held.of(p); len(own) == 0 {
			continue
		}
		if err := r.assertOwn(ctx, p); err != nil {
			r.cfg.Logger.Warn("presence: taking back leases failed; it is tried again", "partition", p, "error", err)
			r.parts[p].audit.Store(true)
		}
	}
}

func (r *Redis) assertOwn(ctx context.Context, partition int) error {
	part := &r.parts[partition]
	err := r.InEpoch(ctx, partition, func(epoch string) (string, error) {
		part.asserting.Lock()
		defer part.asserting.Unlock()
		return r.assert(ctx, partition, epoch, false, Knowledge{})
	})
	if err == nil {
		r.watchers.wake(partition)
	}
	return err
}

// foundOutBy is how long after Redis lost its data at the latest some other node has found out: it sweeps every half second.
const foundOutBy = 3 * SweepEvery

// Complete returns an error while other nodes may still be putting back what Redis lost before this node came, which has
// nothing to put back: until then, what it loads is not all there is. Once it was complete it stays so.
func (r *Redis) Complete(ctx context.Context) error {
	if r.complete.Load() {
		return nil
	}
	if time.Since(r.begunAt) < foundOutBy {
		return errors.New("redis was empty; if other nodes know better, they will soon say so")
	}
	pipe := r.cfg.Conn.Client().Pipeline()
	for p := range r.parts {
		pipe.HGet(ctx, r.parts[p].keys[0], "since")
	}
	answers, err := pipe.Exec(ctx)
	if err != nil && !errors.Is(err, redis.Nil) {
		return unavailable(err)
	}
	for p, answer := range answers {
		since, err := answer.(*redis.StringCmd).Int64()
		if err != nil || time.Since(time.UnixMilli(since)) < settlingFor {
			return fmt.Errorf("redis had lost data of partition %d, and other nodes put it back", p)
		}
	}
	r.complete.Store(true)
	return nil
}

// settlingFor is as in lua/lease.lua.
const settlingFor = 5 * time.Second

// auditEvery is how often one partition is audited; all are within a minute or so.
const auditEvery = time.Second

// auditAll sees to it that what is tied to this node is what its connections hold, partition by partition: a claim may
// have been carried out although its answer was lost, or a lease put back whose connection had just ended. Those that
// were just put back come first.
func (r *Redis) auditAll(ctx context.Context) {
	if r.cfg.Nodes == nil {
		return
	}
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	for next := 0; ; next = (next + 1) % Partitions {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.parts[next].audit.Store(true)
		for p := range r.parts {
			if !r.parts[p].auditDue() {
				continue
			}
			if err := r.audit(ctx, p); err != nil {
				r.parts[p].audit.Store(true)
				break // the next tick tries again
			}
		}
	}
}

// settledAfter is how long after a loss other nodes may still be about to say what they hold: until then, what is tied to
// this node may be out of date. It is longer than the settling of lua/lease.lua.
const settledAfter = 7 * time.Second

func (p *redisPartition) auditDue() bool {
	return time.Since(time.Unix(0, p.recoveredAt.Load())) > settledAfter && p.audit.Swap(false)
}

func (r *Redis) audit(ctx context.Context, partition int) error {
	life := r.cfg.Nodes.Life()
	tied, err := r.cfg.Conn.Client().SMembers(ctx, r.parts[partition].base+"of:"+life).Result()
	if err != nil {
		return unavailable(err)
	}
	missing := make(map[string]bool)
	own, _ := r.held.of(partition)
	for _, l := range own {
		missing[l.Room] = !l.Handed
	}
	for _, room := range tied {
		if _, held := r.held.get(room); held {
			missing[room] = false
		} else if err := r.giveUp(ctx, room, life); err != nil {
			return err
		}
	}
	for _, is := range missing {
		if is {
			return r.assertOwn(ctx, partition)
		}
	}
	return nil
}

// giveUp undoes the claim of a lease that is tied to this node and that none of its connections holds.
func (r *Redis) giveUp(ctx context.Context, room, life string) error {
	partition := PartitionOf(room)
	part := &r.parts[partition]
	err := r.InEpoch(ctx, partition, func(epoch string) (string, error) {
		part.asserting.Lock()
		defer part.asserting.Unlock()
		l, err := r.Get(ctx, room)
		_, held := r.held.get(room)
		if err != nil || held || l.Life != life || r.held.isLeaving(Hold{room, l.Fence}) {
			return "ok", err
		}
		r.cfg.Logger.Warn("presence: a lease was tied to this node that it does not hold; it is given up", "room", room)
		call := r.callUnder(epoch, partition, unclaimArgs(Claim{Room: room, Connection: l.Connection, Node: l.Node}, false)...)
		reply, err := r.cfg.Conn.Run(ctx, unclaimScript, call.Keys, call.Args...)
		if err != nil {
			return "", unavailable(err)
		}
		return reply.List()[0].Text(), nil
	})
	if err == nil {
		r.watchers.wake(partition)
	}
	return err
}
