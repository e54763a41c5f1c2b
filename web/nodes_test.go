package web

import (
	"net/http"
	"testing"

	"github.com/tallylight/tallylight/auth"
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
	}, func(c *Config) { c.Nodes = func() []string { return []string{"n0", "n1"} } })
}
