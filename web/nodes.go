package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// Node is one that serves.
type Node struct {
	ID string `json:"id"`
	// Self marks the one that answered.
	Self bool `json:"self"`
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
	list := NodeList{Data: []Node{}}
	for _, id := range s.living() {
		list.Data = append(list.Data, Node{ID: id, Self: id == s.cfg.Node})
	}
	return s.ok(w, r, list)
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
