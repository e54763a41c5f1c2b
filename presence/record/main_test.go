package record

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tallylight/tallylight/internal/testserver"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

var (
	alice = presence.User{ID: "alice", Name: "Alice"}
	bob   = presence.User{ID: "bob", Name: "Bob"}
)

const studio = "studio"

func openStore(t testing.TB, database string) *Store {
	t.Helper()
	db, dialect, err := migrations.Open(context.Background(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := migrations.Up(context.Background(), db, dialect); err != nil {
		t.Fatal(err)
	}
	return &Store{DB: db}
}

func openSQLite(t testing.TB) *Store {
	return openStore(t, "sqlite:"+filepath.Join(t.TempDir(), "tallylight.db"))
}

// eachDatabase runs a test on empty tables of either kind.
func eachDatabase(t *testing.T, test func(*testing.T, *Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, openSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, openStore(t, testserver.Postgres(t))) })
}

// background runs something until the test ends.
func background(t *testing.T, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// streamer holds a room.
type streamer struct {
	t     *testing.T
	store presence.Store
	hold  presence.Hold
}

func join(t *testing.T, s presence.Store, user presence.User, room, connection string) *streamer {
	t.Helper()
	claimed, err := s.Claim(context.Background(), presence.Claim{Room: room, User: user, Connection: connection, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	return &streamer{t, s, presence.Hold{Room: room, Fence: claimed.Lease.Fence}}
}

func (a *streamer) start(d presence.Details) *presence.Broadcast {
	a.t.Helper()
	l, err := a.store.Start(context.Background(), a.hold, presence.Start{Details: d, Window: new(time.Minute)})
	if err != nil {
		a.t.Fatal(err)
	}
	return l.Broadcast
}

func (a *streamer) end() {
	a.t.Helper()
	if _, err := a.store.End(context.Background(), a.hold, presence.ReasonEndedByStreamer); err != nil {
		a.t.Fatal(err)
	}
}

func (a *streamer) release(why presence.Reason) {
	a.t.Helper()
	if err := a.store.Release(context.Background(), a.hold, why); err != nil {
		a.t.Fatal(err)
	}
}

// newRecorder returns one of a node that runs alone, whose directory is kept
// current.
func newRecorder(t *testing.T, records *Store, change ...func(*Config)) (*Recorder, *presence.Memory) {
	s := presence.NewMemory(Follower)
	d := presence.NewDirectory(s, quiet)
	background(t, d.Run)
	<-d.Ready()
	cfg := Config{Store: records, Log: s, Notes: s, Directory: d, Logger: quiet}
	for _, c := range change {
		c(&cfg)
	}
	return New(cfg), s
}

func read(t *testing.T, s *Store, id string) Broadcast {
	t.Helper()
	b, ok, err := s.Get(context.Background(), id)
	if err != nil || !ok {
		t.Fatalf("reading %s: %v, %v", id, ok, err)
	}
	return b
}
