package presence

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// StaleAfter is the age at which what the directory says is marked as stale.
const StaleAfter = 10 * time.Second

// endedFor is how long the peak of a broadcast is still known after its end:
// time for the record's follower to ask for it.
const endedFor = time.Minute

// Entry is what the directory knows about one room that is not offline. It
// does not change: what changes is put in its place.
type Entry struct {
	Room    string
	View    View
	Viewers int // connections with the role viewer, over all nodes
	Peak    int // the most viewers since the broadcast began

	raises []raise // of Peak, the latest
	lease  *Lease  // which View is of, as far as the log tells
}

// Directory holds everyone who is online or live, in memory, so that asking
// who is live costs the store nothing. It loads the leases once and then
// follows the transitions. All methods may be called at any time; before it is
// ready, the answers are incomplete.
type Directory struct {
	log      Log
	logger   *slog.Logger
	follower Follower
	ready    chan struct{} // closed by Run when everything is loaded

	mu      sync.Mutex
	rooms   [Partitions]map[string]*Entry
	byUser  map[string][]*Entry // user → what they hold, in no order
	onAir   catalog
	filling bool               // onAir is left empty, to be filled once everything is loaded
	seen    [Partitions]uint64 // the last transition that entries reflect
	loaded  [Partitions]bool
	viewers map[string]int       // rooms that have any, offline ones too
	counted map[string]struct{}  // rooms whose viewers changed since the last flush
	turned  map[string]struct{}  // rooms that came to have viewers, or none
	ended   map[string]endedPeak // broadcast → its peak
	told    map[Kind]uint64      // transitions followed so far
	feed    feed

	living    []string  // nodes, as last told; nil: this one runs alone, or was not told yet
	peaksRest time.Time // no peak is raised until then; zero: all are as they should be
}

type endedPeak struct {
	room string
	peak int
	at   time.Time
}

// NewDirectory returns an empty directory over the store's log.
func NewDirectory(log Log, logger *slog.Logger) *Directory {
	d := &Directory{
		log:     log,
		logger:  logger,
		ready:   make(chan struct{}),
		byUser:  make(map[string][]*Entry),
		onAir:   newCatalog(),
		viewers: make(map[string]int),
		counted: make(map[string]struct{}),
		turned:  make(map[string]struct{}),
		ended:   make(map[string]endedPeak),
		told:    make(map[Kind]uint64),
		feed:    newFeed(),
	}
	for p := range d.rooms {
		d.rooms[p] = make(map[string]*Entry)
	}
	d.follower = Follower{Log: log, Logger: logger, Handle: d.follow, Trimmed: d.load}
	return d
}

// Run loads the directory and keeps it current until the context ends.
func (d *Directory) Run(ctx context.Context) {
	d.leaveCatalog()
	var loading errgroup.Group
	loading.SetLimit(loadedAtOnce)
	for p := range Partitions {
		loading.Go(func() error { return d.loadFirst(ctx, p) })
	}
	if loading.Wait() != nil {
		return
	}
	d.fillCatalog()
	close(d.ready)
	flushed := make(chan struct{})
	go func() { defer close(flushed); d.flushViewers(ctx) }()
	d.follower.Run(ctx)
	<-flushed
}

// Ready is closed once everything has been loaded.
func (d *Directory) Ready() <-chan struct{} { return d.ready }

// Stale reports whether the directory may be more than StaleAfter behind.
func (d *Directory) Stale() bool {
	select {
	case <-d.ready:
		return time.Since(d.follower.CaughtUp()) > StaleAfter
	default:
		return true
	}
}

// Room returns what is known about a room; unknown rooms are offline.
func (d *Directory) Room(room string) Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entryLocked(room); e != nil {
		return *e
	}
	return Entry{Room: room, View: Offline, Viewers: d.viewers[room]}
}

// Holder returns who holds a room's lease, as far as the log tells: nobody
// while the streamer is waited for. The view is that of the same moment, so that
// whoever knows a newer one can tell that there may be another holder.
func (d *Directory) Holder(room string) (Holder, View) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entryLocked(room); e != nil {
		return e.lease.Holder, e.View
	}
	return Holder{}, Offline
}

// Streamer returns the rooms that the user holds, in no order.
func (d *Directory) Streamer(user string) []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries := make([]Entry, 0, len(d.byUser[user]))
	for _, e := range d.byUser[user] {
		entries = append(entries, *e)
	}
	return entries
}

// Peak returns the most viewers that a broadcast had. It is known while the
// broadcast runs and for a minute after.
func (d *Directory) Peak(room, broadcast string) (peak int, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entryLocked(room); e != nil && e.View.Broadcast != nil && e.View.Broadcast.ID == broadcast {
		return e.Peak, true
	}
	ended, known := d.ended[broadcast]
	return ended.peak, known
}

// SetViewers notes how many viewers a room has, whether or not its streamer is
// there already. It does not block.
func (d *Directory) SetViewers(room string, viewers int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if (d.viewers[room] == 0) != (viewers == 0) {
		d.turned[room] = struct{}{}
	}
	if viewers == 0 {
		delete(d.viewers, room)
	} else {
		d.viewers[room] = viewers
	}
	was := d.entryLocked(room)
	if was == nil || was.Viewers == viewers {
		return
	}
	is := *was
	is.Viewers = viewers
	if is.View.State.OnAir() {
		d.raiseLocked(&is, time.Now())
		d.counted[room] = struct{}{}
	}
	d.replaceLocked(was, &is)
}

// eachOnAirLocked yields the entries of all broadcasts. Meanwhile each may be
// replaced by another one of the same room.
func (d *Directory) eachOnAirLocked() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, rooms := range d.rooms {
			for _, e := range rooms {
				if e.View.State.OnAir() && !yield(e) {
					return
				}
			}
		}
	}
}

// entryLocked returns what is known of a room that is not offline, or nil.
func (d *Directory) entryLocked(room string) *Entry { return d.rooms[PartitionOf(room)][room] }

// loadedAtOnce is how many partitions are loaded at the same time: while Redis reads one, this node takes in another.
const loadedAtOnce = 4

// loadFirst loads a partition, for as long as it takes. It fails with the context alone.
func (d *Directory) loadFirst(ctx context.Context, p int) error {
	for {
		seq, err := d.load(ctx, p)
		if err == nil {
			d.follower.From[p] = seq
			return nil
		}
		d.logger.Warn("presence: loading the directory failed; it is tried again", "partition", p, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// leaveCatalog has nothing put into the catalog until it is filled: in the order in which leases are loaded, which is none,
// that takes several times as long.
func (d *Directory) leaveCatalog() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.filling = true
}

func (d *Directory) fillCatalog() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.filling = false
	d.onAir.fill(slices.Collect(d.eachOnAirLocked()))
}

// load replaces everything the directory holds about a partition.
func (d *Directory) load(ctx context.Context, p int) (uint64, error) {
	leases, seq, err := d.log.Load(ctx, p)
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	gone := maps.Clone(d.rooms[p])
	for i := range leases {
		delete(gone, leases[i].Room)
		d.setLocked(leases[i])
	}
	for room := range gone {
		d.setLocked(Lease{Room: room, State: StateOffline})
	}
	d.seen[p], d.loaded[p] = seq, true
	d.feed.reset() // what happened meanwhile is not known one by one
	return seq, nil
}

// follow takes transitions from the log.
func (d *Directory) follow(_ context.Context, made []Transition) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range made {
		p := PartitionOf(t.Room)
		if t.Seq <= d.seen[p] {
			continue
		}
		d.seen[p] = t.Seq
		e := d.setLocked(t.lease())
		switch {
		case t.Kind == LeaseMoved:
			continue
		case t.Kind == LeaseRestored:
			d.feed.reset() // what led here is not known one by one
			continue
		case t.Broadcast != nil:
			d.feed.append(Change{Transition: t, Entry: e})
		}
		d.told[t.Kind]++
	}
	return nil
}

// Knowledge returns what the directory knows of a partition, for a store that
// has lost it.
func (d *Directory) Knowledge(p int) Knowledge {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := Knowledge{Seen: d.seen[p], Loaded: d.loaded[p]}
	for _, e := range d.rooms[p] {
		k.Leases = append(k.Leases, *e.lease)
	}
	for id, ended := range d.ended {
		if PartitionOf(ended.room) == p {
			k.Ended = append(k.Ended, Ended{Room: ended.room, Broadcast: id})
		}
	}
	return k
}

// setLocked puts a room's lease and returns the entry as whoever follows the
// feed should see it: after an end, that is the broadcast as it last was.
func (d *Directory) setLocked(l Lease) Entry {
	was := d.entryLocked(l.Room)
	if was == nil {
		was = &Entry{Room: l.Room, View: Offline, Viewers: d.viewers[l.Room]}
	}
	is := &Entry{Room: l.Room, View: l.View(), Viewers: was.Viewers, Peak: was.Peak, raises: was.raises, lease: &l}
	before, now := was.View.Broadcast, is.View.Broadcast
	if other := before == nil || now == nil || before.ID != now.ID; other {
		is.Peak, is.raises = 0, nil
		if before != nil { // ended, even if a reload shows only the one after it
			d.ended[before.ID] = endedPeak{room: l.Room, peak: was.Peak, at: time.Now()}
		}
		if now != nil {
			d.raiseLocked(is, time.Now())
		}
	}
	d.replaceLocked(was, is)
	if now == nil {
		return *was
	}
	return *is
}

// replaceLocked puts an entry in another's place wherever that is.
func (d *Directory) replaceLocked(was, is *Entry) {
	if !d.filling {
		d.onAir.replace(was, is)
	}
	if user := was.View.User; user != nil {
		theirs := slices.DeleteFunc(d.byUser[user.ID], func(e *Entry) bool { return e == was })
		if d.byUser[user.ID] = theirs; len(theirs) == 0 {
			delete(d.byUser, user.ID)
		}
	}
	rooms := d.rooms[PartitionOf(is.Room)]
	if is.View.State == StateOffline {
		delete(rooms, is.Room)
		return
	}
	rooms[is.Room] = is
	d.byUser[is.View.User.ID] = append(d.byUser[is.View.User.ID], is)
}

// flushViewers puts changed viewer counts into the feed, once a second.
func (d *Directory) flushViewers(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.flushOnce()
		}
	}
}

func (d *Directory) flushOnce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endPeaksRestLocked(time.Now())
	for id, e := range d.ended {
		if time.Since(e.at) > endedFor {
			delete(d.ended, id)
		}
	}
	if len(d.counted) == 0 {
		return
	}
	counts := make([]Entry, 0, len(d.counted))
	for room := range d.counted {
		if e := d.entryLocked(room); e != nil && e.View.State.OnAir() {
			counts = append(counts, *e)
		}
	}
	clear(d.counted)
	if len(counts) > 0 {
		d.feed.append(Change{Viewers: counts})
	}
}
