package web

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Node is one that serves.
type Node struct {
	ID string `json:"id"`
	// Self marks the one that answered.
	Self bool `json:"self"`
	// Report is not there if the node has not said anything yet, or can't be heard.
	Report *NodeReport `json:"report,omitempty"`
}

// NodeReport is what a node says of itself; of another one it is a second old.
type NodeReport struct {
	StartedAt   Time     `json:"started_at"`
	Version     string   `json:"version"`
	Draining    bool     `json:"draining"`
	Connections int      `json:"connections"`
	MemoryBytes uint64   `json:"memory_bytes"`
	Goroutines  int      `json:"goroutines"`
	RedisMs     *float64 `json:"redis_ms,omitempty"` // without Redis it is not there
}

// NodeList is all nodes that live, in order.
type NodeList struct {
	Data []Node `json:"data"`
}

// Draining names a node that is sending everybody away.
type Draining struct {
	Node string `json:"node"`
}

// operator admits those who may act on nodes.
func (s *server) operator(r *http.Request) error {
	_, err := s.holder(r, "admin", auth.ScopeAdmin)
	return err
}

func (s *server) nodes(w http.ResponseWriter, r *http.Request) error {
	if err := s.operator(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), reportsWithin)
	defer cancel()
	reports := s.reports(ctx)
	list := NodeList{Data: []Node{}}
	for _, id := range s.living() {
		node := Node{ID: id, Self: id == s.cfg.Node}
		if report, ok := reports[id]; ok {
			node.Report = reportOf(report)
		}
		list.Data = append(list.Data, node)
	}
	return s.ok(w, r, list)
}

// reportsWithin bounds the wait for what nodes say of themselves: who they are is known without.
const reportsWithin = time.Second

// reports returns what the nodes say of themselves, as far as they can be heard. This one always can.
func (s *server) reports(ctx context.Context) map[string]presence.NodeReport {
	reports := map[string]presence.NodeReport{}
	if s.cfg.Reports != nil {
		said, err := s.cfg.Reports(ctx)
		if err != nil {
			s.cfg.Logger.Warn("web: what the other nodes say of themselves is not known", "error", err)
		}
		maps.Copy(reports, said)
	}
	if s.cfg.Report != nil {
		reports[s.cfg.Node] = s.cfg.Report()
	}
	return reports
}

func reportOf(r presence.NodeReport) *NodeReport {
	report := NodeReport{
		StartedAt: Time(r.StartedAt), Version: r.Version, Draining: r.Draining,
		Connections: r.Connections, MemoryBytes: r.Memory, Goroutines: r.Goroutines,
	}
	if r.RedisMicros > 0 {
		ms := float64(r.RedisMicros) / 1000
		report.RedisMs = &ms
	}
	return &report
}

func (s *server) living() []string {
	if s.cfg.Nodes == nil {
		return []string{s.cfg.Node}
	}
	return s.cfg.Nodes()
}

var nodeID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// drain has a node send everybody away; it is answered before they have gone.
func (s *server) drain(w http.ResponseWriter, r *http.Request) error {
	node, err := pathID(r, "id", "the id of a node, as GET /v1/nodes lists them", nodeID.MatchString)
	if err != nil {
		return err
	}
	if err := s.operator(r); err != nil {
		return err
	}
	id, err := s.known(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	err = rooms.ErrNodeGone
	if slices.Contains(s.living(), node) {
		err = s.cfg.Hub.Order(ctx, rooms.Command{Node: node, Drain: true})
	}
	if errors.Is(err, rooms.ErrNodeGone) {
		return notFound("there is no node %.128q; GET /v1/nodes lists them", node)
	}
	if err != nil {
		return err
	}
	s.note(ctx, moderation.Act{Actor: id.User, Action: moderation.Drain, Target: node})
	s.cfg.Logger.Info("web: a node is to be drained", "target", node)
	return s.accepted(w, r, Draining{Node: node})
}
