package rooms

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tallylight/tallylight/internal/redisconn"
	"github.com/tallylight/tallylight/internal/wire"
)

const (
	// answerWithin is how long a node has to say who is in a room on it.
	answerWithin = time.Second
	// answersAtOnce is how many questions a node answers at a time; what comes beyond that gets no answer, and whoever
	// asked says that somebody may be missing.
	answersAtOnce = 16
)

// roster asks the living nodes who is in a room. Nothing is kept of that anywhere: who is in a room is known where they are
// connected, and asked for seldom.
type roster struct {
	relay *Redis
	busy  chan struct{} // holds one for each answer under way

	mu     sync.Mutex
	asking map[string]chan rosterAnswer // by question
}

// rosterQuestion is asked on a channel that all nodes hear.
type rosterQuestion struct {
	ID    string `json:"id"`
	From  string `json:"from"` // the node that asks
	Room  string `json:"room"`
	First int    `json:"first"`
	After string `json:"after,omitempty"`
}

// rosterAnswer goes to the node that asked.
type rosterAnswer struct {
	ID      string   `json:"id"`
	Node    string   `json:"node"`
	Members []Member `json:"members"`
	More    bool     `json:"more,omitempty"`
}

func newRoster(r *Redis) *roster {
	return &roster{relay: r, busy: make(chan struct{}, answersAtOnce), asking: make(map[string]chan rosterAnswer)}
}

func (q *roster) questions() string { return q.relay.cfg.Conn.Base("control") + "members" }
func (q *roster) answers(node string) string {
	return q.relay.cfg.Conn.Base("inbox-"+node) + "members"
}

// listen is called once there is a sink.
func (q *roster) listen(on *redisconn.Listener) {
	on.Listen(q.questions(), redisconn.Handler{Message: q.asked})
	on.Listen(q.answers(q.relay.cfg.Node), redisconn.Handler{Message: q.answered})
}

// members asks everybody, this node too, and merges what they say: each gives as many as there may be on the page.
func (q *roster) members(ctx context.Context, room string, first int, after string) Roster {
	own, more := q.relay.sink.Members(room, first, after)
	all := Roster{Members: own, More: more}
	var missing []string
	for _, node := range q.relay.cfg.Nodes.Living() {
		if node != q.relay.cfg.Node {
			missing = append(missing, node)
		}
	}
	if len(missing) == 0 {
		return all
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	question := rosterQuestion{ID: uuid.NewString(), From: q.relay.cfg.Node, Room: room, First: first, After: after}
	answers := q.expect(question.ID, len(missing))
	defer q.forget(question.ID)
	if q.relay.cfg.Conn.Client().SPublish(ctx, q.questions(), wire.JSON(question)).Err() != nil {
		all.Partial = true
		return all
	}
	for len(missing) > 0 {
		select {
		case a := <-answers:
			if i := slices.Index(missing, a.Node); i >= 0 { // else it has come twice
				missing = slices.Delete(missing, i, i+1)
				all.add(a)
			}
		case <-ctx.Done():
			all.Partial = true
			missing = nil
		}
	}
	return all.page(first)
}

// expect makes room for the answers to a question: as many as there are nodes that have not answered.
func (q *roster) expect(id string, most int) <-chan rosterAnswer {
	answers := make(chan rosterAnswer, most)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asking[id] = answers
	return answers
}

func (q *roster) forget(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.asking, id)
}

// answered takes another node's answer. One that comes too late is for nobody.
func (q *roster) answered(payload string) {
	var a rosterAnswer
	if err := json.Unmarshal([]byte(payload), &a); err != nil {
		q.relay.cfg.Logger.Error("rooms: an answer about members can't be read", "error", err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case q.asking[a.ID] <- a:
	default:
	}
}

// asked answers another node's question.
func (q *roster) asked(payload string) {
	var question rosterQuestion
	if err := json.Unmarshal([]byte(payload), &question); err != nil {
		q.relay.cfg.Logger.Error("rooms: a question about members can't be read", "error", err)
		return
	}
	if question.From == q.relay.cfg.Node {
		return
	}
	select {
	case q.busy <- struct{}{}:
	default:
		q.relay.cfg.Logger.Warn("rooms: too many ask who is in rooms; one gets no answer", "room", question.Room)
		return
	}
	if !q.relay.begin(func() { defer func() { <-q.busy }(); q.answer(question) }) {
		<-q.busy
	}
}

func (q *roster) answer(question rosterQuestion) {
	members, more := q.relay.sink.Members(question.Room, question.First, question.After)
	a := rosterAnswer{ID: question.ID, Node: q.relay.cfg.Node, Members: members, More: more}
	ctx, cancel := context.WithTimeout(q.relay.life, answerWithin)
	defer cancel()
	if err := q.relay.cfg.Conn.Client().SPublish(ctx, q.answers(question.From), wire.JSON(a)).Err(); err != nil && ctx.Err() == nil {
		q.relay.cfg.Logger.Warn("rooms: an answer about members could not be given", "room", question.Room, "error", err)
	}
}

// Roster is a page of a room's members, ordered by id.
type Roster struct {
	Members []Member
	More    bool
	// Partial: a node did not answer, so that somebody may be missing.
	Partial bool
}

func (r *Roster) add(a rosterAnswer) {
	r.Members = append(r.Members, a.Members...)
	r.More = r.More || a.More
}

// page puts what several nodes said into one order.
func (r Roster) page(first int) Roster {
	slices.SortFunc(r.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	if len(r.Members) > first {
		r.Members, r.More = r.Members[:first], true
	}
	return r
}
