package presence

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tallylight/tallylight/internal/testserver"
)

// The state machine is written twice: in lease.go, and in Lua. Here both stores get the same random history, and every
// answer, every lease and every transition must be the same but for what the clock and chance put there.
func TestRedisIsTheSameAsMemory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	redis, memory := openRedis(t, testserver.RedisPrefix(), "n1", "suite"), NewMemory("suite")
	stores := []Store{redis, memory}
	fences := map[Store][]Fence{redis: {0}, memory: {0}} // by the order in which they were given
	text := []string{"", "Sketches", `"quoted" \ <b>&amp;</b> é 🎨`, "line\nbreak\u2028"}
	pick := func(n int) int { return random.IntN(n) }
	undone := make(map[int]int) // of each connection, which claims no more then: another one takes its place
	for step := range 1500 {
		op, user, who := pick(11), []User{alice, bob, {ID: "c|a=r@o+l"}}[pick(3)], pick(3)
		connection := fmt.Sprint("c", who, "-", undone[who])
		fence := pick(len(fences[redis]))
		if pick(4) > 0 {
			fence = len(fences[redis]) - 1 // mostly the holder's
		}
		title, category, tags := text[pick(4)], text[pick(4)], [][]string{nil, {}, {"ink"}, {"ink", text[2]}}[pick(4)]
		window := []*time.Duration{nil, ptr(time.Hour), ptr(time.Duration(0))}[pick(3)]
		why := []Reason{ReasonConnectionLost, ReasonLeft, ReasonNodeLost, ReasonDrain, ReasonKicked, ReasonEndedByAdmin, ReasonSilence}[pick(7)]
		lapse, titled := pick(8) == 0, pick(2) == 0
		var answers []string
		for _, s := range stores {
			ctx, hold := context.Background(), Hold{studio, fences[s][fence]}
			var l Lease
			var err error
			extra := ""
			switch op {
			case 0, 1, 2:
				var c Claimed
				c, err = s.Claim(ctx, Claim{Room: studio, User: user, Connection: connection, Node: "n1"})
				l, extra = c.Lease, c.Replaced+" "+c.ReplacedNode
				if known := fences[s]; err == nil && l.Fence != known[len(known)-1] {
					fences[s] = append(known, l.Fence)
				}
			case 3, 4:
				l, err = s.Start(ctx, hold, Start{Details: Details{Title: title, Category: category, Language: "de", Tags: tags}, Window: window})
			case 5:
				c := Changes{Title: &title}
				if !titled {
					c = Changes{Category: &category, Tags: &tags}
				}
				l, err = s.Update(ctx, hold, c)
			case 6:
				l, err = s.End(ctx, hold, why)
			case 7:
				err = s.Release(ctx, hold, why)
			case 8:
				err = s.HandOver(ctx, []Handover{{hold, time.Hour}})
			case 9:
				if lapse {
					lapseNow(t, s)
				}
			case 10:
				err = s.Unclaim(ctx, Claim{Room: studio, User: user, Connection: connection, Node: "n1"})
			}
			var now Lease
			if now, _ = s.Get(ctx, studio); err == nil && op == 7 {
				l = now
			}
			answers = append(answers, fmt.Sprintf("%s / %s / %v / %s", plainLease(l, fences[s]), extra, err, plainLease(now, fences[s])))
		}
		if op == 10 {
			undone[who]++
		}
		if answers[0] != answers[1] {
			t.Fatalf("step %d, operation %d: Redis answers\n%s\nand memory\n%s", step, op, answers[0], answers[1])
		}
		if len(fences[redis]) != len(fences[memory]) {
			t.Fatalf("step %d: %d and %d fences were given", step, len(fences[redis]), len(fences[memory]))
		}
	}
	wantSameTransitions(t, redis, memory)
}

func ptr[T any](v T) *T { return &v }

// lapseNow lets a window end, whatever its length.
func lapseNow(t *testing.T, s Store) {
	t.Helper()
	p := PartitionOf(studio)
	switch s := s.(type) {
	case *Memory:
		s.mu.Lock()
		if _, waiting := s.parts[p].deadlines[studio]; waiting {
			s.parts[p].deadlines[studio] = 0
		}
		s.mu.Unlock()
	case *Redis:
		if err := s.cfg.Conn.Client().ZAddXX(t.Context(), s.parts[p].base+"deadlines", zero(studio)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Sweep(t.Context(), Due{Partition: p}); err != nil {
		t.Fatal(err)
	}
}

// plainLease writes a lease without what the clock and chance put there.
func plainLease(l Lease, fences []Fence) string {
	l.Room = ""
	l.Fence = Fence(slices.Index(fences, l.Fence))
	if l.State == StateOffline || l.State == "" {
		return "offline" // nothing else of it is promised
	}
	until := ""
	if l.Until != 0 {
		until = fmt.Sprint(" until ", (l.Until - l.LastSeen))
	}
	window := "default"
	if l.Window != nil {
		window = l.Window.String()
	}
	seen := l.LastSeen != 0
	l.Until, l.LastSeen = 0, 0
	return fmt.Sprintf("%s %+v %s %s %d handed %t %s %s window %s seen %t%s %s", l.State, l.User, l.Connection, l.Node, l.Fence, l.Handed,
		plainBroadcast(l.Broadcast), l.Reason, window, seen, until, plainView(l.View()))
}

func plainBroadcast(b *Broadcast) string {
	if b == nil {
		return "-"
	}
	return fmt.Sprintf("%q %q %q %q %d", b.Title, b.Category, b.Language, b.Tags, b.Version)
}

func plainView(v View) string {
	user := "-"
	if v.User != nil {
		user = fmt.Sprintf("%+v", *v.User)
	}
	return fmt.Sprintf("[%s %s %s %s]", v.State, user, plainBroadcast(v.Broadcast), v.Reason)
}

func wantSameTransitions(t *testing.T, stores ...Store) {
	t.Helper()
	var all [][]string
	for _, s := range stores {
		var lines []string
		for after := uint64(0); ; {
			made, err := s.Read(t.Context(), PartitionOf(studio), after, 100)
			if err != nil && !errors.Is(err, ErrTrimmed) {
				t.Fatal(err)
			}
			if len(made) == 0 {
				break
			}
			for _, tr := range made {
				lines = append(lines, fmt.Sprintf("%s %s %+v %s %s %t %s", tr.Room, tr.Kind, tr.User,
					plainBroadcast(tr.Broadcast), tr.Reason, tr.Until != 0, plainView(tr.After)))
				if tr.At == 0 || tr.Broadcast != nil && (tr.Broadcast.ID == "" || tr.Broadcast.StartedAt == 0) {
					t.Errorf("transition %+v lacks something", tr)
				}
			}
			after = made[len(made)-1].Seq
		}
		all = append(all, lines)
	}
	if !reflect.DeepEqual(all[0], all[1]) {
		for i := range min(len(all[0]), len(all[1])) {
			if all[0][i] != all[1][i] {
				t.Fatalf("transition %d is\n%s\nand\n%s", i+1, all[0][i], all[1][i])
			}
		}
		t.Fatalf("%d and %d transitions", len(all[0]), len(all[1]))
	}
	t.Logf("%d transitions, the same", len(all[0]))
}
