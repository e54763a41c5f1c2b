package webhook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallylight/tallylight/presence"
)

func endpoint(t *testing.T, s *Store, id string) Endpoint {
	t.Helper()
	e, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func deliveries(t *testing.T, s *Store, endpoint string, state DeliveryState) []Delivery {
	t.Helper()
	all, err := s.Deliveries(t.Context(), DeliveryQuery{Endpoint: endpoint, First: 1000, State: state})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// soon lets happen what is due: writers of a SQLite database wait for each other
// for some milliseconds, in a bubble too.
func soon() {
	time.Sleep(lookEvery / 2)
	synctest.Wait()
}

func TestDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		one, two := n.receive(s, "one"), n.receive(s, "two")
		sender, _ := n.send(s)
		happened(t, s, "alice", 1, 2, 3)
		sender.Wake()
		soon()
		for _, r := range []*receiver{one, two} {
			r.wantGot("at once", "evt_alice_1", "evt_alice_2", "evt_alice_3")
		}
		happened(t, s, "alice", 3, 4) // 3 is no news
		time.Sleep(lookEvery)         // nobody wakes it
		synctest.Wait()
		one.wantGot("a second later", "evt_alice_1", "evt_alice_2", "evt_alice_3", "evt_alice_4")
		all := deliveries(t, s, one.host, Delivered)
		if len(all) != 4 || all[0].Event != "evt_alice_4" || all[0].Attempts != 1 || all[0].Status != 204 || all[0].DeliveredAt == 0 || all[0].Error != "" {
			t.Errorf("listed as delivered: %+v", all)
		}
		var lanes int
		if err := s.DB.QueryRowContext(t.Context(), `SELECT count(*) FROM delivery_lanes`).Scan(&lanes); err != nil || lanes != 0 {
			t.Errorf("%d lanes are left, %v", lanes, err)
		}
	})
}

// What fails is tried again after five seconds, give or take a fifth, then ever
// more rarely; what follows of the same subject waits for it, others do not.
func TestFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		r, other := n.receive(s, "one"), n.receive(s, "other")
		var heal atomic.Bool
		r.answer = func(w http.ResponseWriter, _ *http.Request, event string) {
			if event == "evt_alice_2" && !heal.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
		n.send(s)
		happened(t, s, "alice", 1, 2, 3)
		happened(t, s, "bob", 1, 2)
		time.Sleep(82 * time.Second)
		synctest.Wait()
		if got := slices.Sorted(slices.Values(other.got)); fmt.Sprint(got) != "[evt_alice_1 evt_alice_2 evt_alice_3 evt_bob_1 evt_bob_2]" {
			t.Errorf("the other one got %q", other.got)
		}
		if got := fmt.Sprint(r.got); !strings.Contains(got, "evt_alice_1") || !strings.Contains(got, "evt_bob_2") || strings.Contains(got, "evt_alice_3") {
			t.Errorf("got %s", got)
		}
		tried := r.attempts("evt_alice_2")
		if len(tried) != 4 {
			t.Fatalf("tried %d times in 82 s, want at 0, 5, 20 and 65", len(tried))
		}
		for i, want := range []time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second} {
			// Due is looked at once a second.
			if got := tried[i+1].Sub(tried[i]); got < want*4/5 || got > want*6/5+lookEvery {
				t.Errorf("attempt %d came %s after the one before, want %s", i+2, got, want)
			}
		}
		heal.Store(true)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n := len(r.got); n != 5 || slices.Index(r.got, "evt_alice_3") < slices.Index(r.got, "evt_alice_2") {
			t.Errorf("got %q", r.got)
		}
	})
}

// What is not taken for a day is parked, and what follows comes through; it can
// be asked for again, one by one or by time.
func TestParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		r := n.receive(s, "one")
		var heal atomic.Bool
		r.answer = func(w http.ResponseWriter, _ *http.Request, event string) {
			if event == "evt_alice_1" && !heal.Load() {
				w.WriteHeader(http.StatusBadRequest)
			}
		}
		n.send(s)
		begin := time.Now()
		happened(t, s, "alice", 1)
		for i := range 46 { // others are taken, so that it is not the endpoint's fault
			time.Sleep(30 * time.Second)
			happened(t, s, "bob", i)
			if i == 30 {
				happened(t, s, "alice", 2)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		parked := deliveries(t, s, r.host, Parked)
		if len(parked) != 1 || parked[0].Event != "evt_alice_1" || parked[0].Error != "answered 400" || parked[0].Status != 400 {
			t.Fatalf("parked %+v", parked)
		}
		tried := r.attempts("evt_alice_1")
		if len(tried) != 6 || tried[len(tried)-1].Sub(begin) > day { // at 5 s, 20, 65, 200, 605

			t.Errorf("tried %d times, at last after %s", len(tried), tried[len(tried)-1].Sub(begin))
		}
		if !slices.Contains(r.got, "evt_alice_2") {
			t.Errorf("what follows was not delivered: %q", r.got)
		}
		if e := endpoint(t, s, r.host); e.State() != StateActive || e.Waiting != 0 {
			t.Errorf("the endpoint is %s: %+v", e.State(), e)
		}
		heal.Store(true)
		now := presence.MillisOf(time.Now())
		if err := s.Retry(t.Context(), r.host, parked[0].ID, now); err != nil {
			t.Fatal(err)
		}
		if err := s.Retry(t.Context(), r.host, 12345, now); err != ErrNoDelivery {
			t.Errorf("of what is not there: %v", err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := r.got[len(r.got)-1]; got != "evt_alice_1" {
			t.Errorf("asked for again, the last is %s", got)
		}
		before := len(r.got)
		count, err := s.Replay(t.Context(), r.host, presence.MillisOf(begin), presence.MillisOf(begin.Add(12*time.Minute)), true, now)
		if err != nil || count != 1+23 {
			t.Errorf("replayed %d, %v", count, err)
		}
		if count, err := s.Replay(t.Context(), r.host, 0, now, false, now); err != nil || count != 0 {
			t.Errorf("replayed %d that were parked, %v", count, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := len(r.got) - before; got != 24 {
			t.Errorf("%d came again", got)
		}
	})
}

// An endpoint that takes nothing is tried with one delivery at a time, and paused
// after a day; others are not delayed by it. Resumed, it gets what waits.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		r, other := n.receive(s, "one"), n.receive(s, "other")
		var heal atomic.Bool
		var attempts atomic.Int64
		r.answer = func(w http.ResponseWriter, _ *http.Request, _ string) {
			if !heal.Load() {
				attempts.Add(1)
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
		sender, _ := n.send(s)
		for i := range 100 {
			happened(t, s, fmt.Sprint("user", i), 1)
		}
		sender.Wake()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := len(other.got); got != 100 {
			t.Errorf("the other one got %d of 100", got)
		}
		time.Sleep(10 * time.Minute)
		if e, n := endpoint(t, s, r.host), attempts.Load(); e.State() != StateFailing || n > 40 || e.Waiting != 100 {
			t.Errorf("after ten minutes, %d attempts: %s %+v", n, e.State(), e)
		}
		heal.Store(true)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if e := endpoint(t, s, r.host); len(r.got) != 100 || e.State() != StateActive {
			t.Fatalf("well again, it got %d: %+v", len(r.got), e)
		}

		heal.Store(false)
		for i := range 26 {
			happened(t, s, "late", i)
			time.Sleep(day / 20)
		}
		synctest.Wait()
		e := endpoint(t, s, r.host)
		if e.State() != StatePaused || e.LastError != "answered 500" {
			t.Fatalf("after a day of failures: %s %+v", e.State(), e)
		}
		was := attempts.Load()
		time.Sleep(day / 4)
		if attempts.Load() != was {
			t.Error("tried while it is paused")
		}
		heal.Store(true)
		if err := s.Resume(t.Context(), r.host, presence.MillisOf(time.Now())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		// What has waited for more than a day is parked by now.
		got := r.got[100:]
		if len(got) < 14 || len(got) > 16 || got[len(got)-1] != "evt_late_25" || len(deliveries(t, s, r.host, Parked)) != 26-len(got) {
			t.Errorf("resumed, it got %q", got)
		}
		for i := range got[1:] {
			if len(got[i]) > len(got[i+1]) || len(got[i]) == len(got[i+1]) && got[i] > got[i+1] {
				t.Errorf("%s before %s", got[i], got[i+1])
			}
		}
	})
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		r := n.receive(s, "one")
		r.answer = func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusGone) }
		n.send(s)
		happened(t, s, "alice", 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if e := endpoint(t, s, r.host); e.State() != StatePaused || len(r.attempts("evt_alice_1")) != 1 || e.Waiting != 1 {
			t.Errorf("it is %s, tried %d times: %+v", e.State(), len(r.attempts("evt_alice_1")), e)
		}
	})
}

// One that hangs is given up after ten seconds and delays nobody else; one that
// redirects is not followed.
func TestHangsAndRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		hangs, redirects, other := n.receive(s, "hangs"), n.receive(s, "redirects"), n.receive(s, "other")
		secret := n.receive(s, "inner")
		if err := s.Delete(t.Context(), secret.host); err != nil { // it is there, but nobody's endpoint
			t.Fatal(err)
		}
		hangs.answer = func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() }
		redirects.answer = func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Redirect(w, r, "http://inner/hook", http.StatusTemporaryRedirect)
		}
		sender, _ := n.send(s)
		begin := time.Now()
		for i := range 40 {
			happened(t, s, fmt.Sprint("user", i), 1, 2)
		}
		sender.Wake()
		soon()
		if took := time.Since(begin); len(other.got) != 80 || took > lookEvery {
			t.Errorf("the other one got %d of 80 after %s", len(other.got), took)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		for r, want := range map[*receiver]string{hangs: "no answer in time", redirects: "answered 307: redirects are not followed"} {
			for _, d := range deliveries(t, s, r.host, "") {
				if d.State != Pending || d.Attempts > 0 && d.Error != want {
					t.Fatalf("%+v", d)
				}
			}
			if e := endpoint(t, s, r.host); e.LastError != want || e.State() != StateFailing {
				t.Errorf("it is %s: %+v", e.State(), e)
			}
		}
		secret.wantGot("behind the redirect")
		if len(secret.attempts("evt_user0_1")) > 0 {
			t.Error("the redirect was followed")
		}
	})
}

// A node that dies with a lane has it for half a minute more; then another goes
// on with it.
func TestLeaseLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		r := n.receive(s, "one")
		happened(t, s, "alice", 1)
		taken, err := s.lease(t.Context(), r.host, 10, presence.MillisOf(time.Now()))
		if err != nil || len(taken) != 1 {
			t.Fatalf("leased %+v, %v", taken, err)
		}
		n.send(s)
		time.Sleep(leaseFor - time.Second)
		synctest.Wait()
		r.wantGot("while it is leased")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.wantGot("then", "evt_alice_1")
		if err := s.renew(t.Context(), &taken[0], presence.MillisOf(time.Now())); err != errLeaseLost {
			t.Errorf("renewed what is another's: %v", err)
		}
	})
}

// Stopping breaks off what is under way; it is made again, by whoever is there.
func TestStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := openSQLite(t), newNetwork(t)
		r := n.receive(s, "one")
		var slow atomic.Bool
		slow.Store(true)
		r.answer = func(_ http.ResponseWriter, req *http.Request, _ string) {
			if slow.Load() {
				<-req.Context().Done()
			}
		}
		_, stop := n.send(s)
		happened(t, s, "alice", 1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		begin := time.Now()
		stop()
		slow.Store(false)
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %s to stop", took)
		}
		if e := endpoint(t, s, r.host); e.Failures != 0 {
			t.Errorf("that counts against it: %+v", e)
		}
		r.mu.Lock()
		r.got = nil
		r.mu.Unlock()
		n.send(s)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.wantGot("the next one", "evt_alice_1")
	})
}

// Many senders deliver each event of a subject after the one before, and, as
// nothing fails, once.
func TestManySenders(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		const subjects, events = 10, 20
		n := newNetwork(t)
		r := n.receive(s, "one")
		for range 4 {
			sender, _ := n.send(s)
			sender.Wake()
		}
		var writing [subjects]int
		for i := range events {
			for j := range subjects {
				happened(t, s, fmt.Sprint("user", j), i)
				writing[j]++
			}
		}
		deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			r.mu.Lock()
			count := len(r.got)
			r.mu.Unlock()
			if count >= subjects*events || deadline.Err() != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // for what should not come
		r.mu.Lock()
		defer r.mu.Unlock()
		next := make(map[string]int)
		for _, event := range r.got {
			var user, i int
			if _, err := fmt.Sscanf(event, "evt_user%d_%d", &user, &i); err != nil {
				t.Fatal(err)
			}
			if subject := fmt.Sprint("user", user); next[subject] != i {
				t.Fatalf("%s came when %d was next", event, next[subject])
			} else {
				next[subject]++
			}
		}
		if len(r.got) != subjects*events {
			t.Errorf("got %d of %d", len(r.got), subjects*events)
		}
	})
}

// What was done with long ago is forgotten, with the events that nobody needs any
// more; what waits is not.
func TestForget(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *Store) {
		now := presence.MillisOf(time.Now())
		for range 2 {
			if _, err := s.Create(t.Context(), "https://example.com/", Types, "admin", 0); err != nil {
				t.Fatal(err)
			}
		}
		happened(t, s, "alice", 1, 2, 3, 4)
		for _, statement := range []string{
			`UPDATE deliveries SET state = 'delivered' WHERE event IN ('evt_alice_1', 'evt_alice_2')`,
			`UPDATE deliveries SET state = 'parked' WHERE event = 'evt_alice_3'`,
			`UPDATE deliveries SET created_at = created_at - 100000 WHERE event <> 'evt_alice_2'`,
			`UPDATE webhook_events SET at = at - 100000`,
		} {
			if _, err := s.DB.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if more, err := s.Forget(t.Context(), now-50_000); more || err != nil {
			t.Errorf("forgetting a few: more %v, %v", more, err)
		}
		rows, err := s.DB.QueryContext(t.Context(), `SELECT e.id, count(d.id) FROM webhook_events e LEFT JOIN deliveries d ON d.event = e.id GROUP BY e.id ORDER BY e.id`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var left []string
		for rows.Next() {
			var id string
			var n int
			if err := rows.Scan(&id, &n); err != nil {
				t.Fatal(err)
			}
			left = append(left, fmt.Sprint(id, " ", n))
		}
		if fmt.Sprint(left) != "[evt_alice_2 2 evt_alice_4 2]" {
			t.Errorf("left are %q", left)
		}
	})
}
