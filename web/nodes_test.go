package web

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/rooms"
)

func TestNodes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		admin := w.scoped(auth.ScopeAdmin)
		for _, token := range []string{"", w.scoped(auth.ScopeService), w.granted("alice", "alice", auth.RoleStreamer)} {
			for _, a := range []answer{w.get("/v1/nodes", token), w.do(http.MethodPost, "/v1/nodes/n1/drain", token, "")} {
				if a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
					t.Errorf("without scope admin: %d", a.status)
				}
			}
		}
		got := decode[NodeList](t, w.get("/v1/nodes", admin))
		if len(got.Data) != 1 || got.Data[0] != (Node{ID: "n1", Self: true}) {
			t.Errorf("alone: %+v", got)
		}
		w.do(http.MethodPost, "/v1/nodes/n7/drain", admin, "").wantProblem(t, "no such node", http.StatusNotFound, rooms.CodeNotFound, "n7")
		w.do(http.MethodPost, "/v1/nodes/n%207/drain", admin, "").wantProblem(t, "no id", http.StatusBadRequest, rooms.CodeBadRequest, "id of a node")
		a := w.do(http.MethodPost, "/v1/nodes/n1/drain", admin, "")
		a.wantStatus(t, "drain", http.StatusAccepted)
		if drained := decode[Draining](t, a); drained.Node != "n1" {
			t.Errorf("told %+v", drained)
		}
	})
}

func TestNodesOfMany(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		got := decode[NodeList](t, w.get("/v1/nodes", w.scoped(auth.ScopeAdmin)))
		if len(got.Data) != 2 || got.Data[0].Self || !got.Data[1].Self {
			t.Errorf("got %+v", got)
		}
	}, two)
}

func two(c *Config) { c.Nodes = func() []string { return []string{"n0", "n1"} } }

func TestNodesSayHowTheyDo(t *testing.T) {
	var away error
	inWorld(t, func(t *testing.T, w *world) {
		admin := w.scoped(auth.ScopeAdmin)
		got := decode[NodeList](t, w.get("/v1/nodes", admin)).Data
		if got[0].Report == nil || got[0].Report.Connections != 7 || *got[0].Report.RedisMs != 1.5 || !got[0].Report.Draining {
			t.Errorf("of the other one: %+v", got[0].Report)
		}
		if got[1].Report == nil || got[1].Report.Connections != 2 || got[1].Report.RedisMs != nil {
			t.Errorf("of this one, which knows better than Redis: %+v", got[1].Report)
		}
		away = errors.New("redis is away")
		got = decode[NodeList](t, w.get("/v1/nodes", admin)).Data
		if len(got) != 2 || got[0].Report != nil || got[1].Report == nil {
			t.Errorf("without Redis: %+v", got)
		}
	}, two, func(c *Config) {
		c.Report = func() presence.NodeReport { return presence.NodeReport{Connections: 2} }
		c.Reports = func(context.Context) (map[string]presence.NodeReport, error) {
			if away != nil {
				return nil, away
			}
			return map[string]presence.NodeReport{"n0": {Connections: 7, Draining: true, RedisMicros: 1500}, "n1": {Connections: 1}}, nil
		}
	})
}
