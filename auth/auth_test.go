package auth

import "testing"

func TestRoles(t *testing.T) {
	const room = "alice"
	grant := func(room string, role Role) *Identity {
		return &Identity{User: "u", Grants: []Grant{{Room: room, Role: role}}}
	}
	scope := func(s Scope) *Identity { return &Identity{User: "u", Scopes: []Scope{s}} }

	for _, tt := range []struct {
		name                                         string
		id                                           *Identity
		viewer, streamer, moderator, moderates, read bool
	}{
		{"nothing", &Identity{User: "alice"}, false, false, false, false, false},
		{"viewer", grant(room, RoleViewer), true, false, false, false, true},
		{"streamer", grant(room, RoleStreamer), true, true, false, true, true},
		{"moderator", grant(room, RoleModerator), true, false, true, true, true},
		{"viewer everywhere", grant("*", RoleViewer), true, false, false, false, true},
		{"streamer by prefix", grant("al*", RoleStreamer), true, true, false, true, true},
		{"prefix that is the whole id", grant("alice*", RoleModerator), true, false, true, true, true},
		{"another room", grant("bob", RoleStreamer), false, false, false, false, false},
		{"another prefix", grant("bo*", RoleStreamer), false, false, false, false, false},
		{"prefix longer than the id", grant("alice2*", RoleStreamer), false, false, false, false, false},
		{"id without a star is no prefix", grant("al", RoleStreamer), false, false, false, false, false},
		{"other case", grant("Alice", RoleStreamer), false, false, false, false, false},
		{"admin", scope(ScopeAdmin), true, true, true, true, true},
		{"service", scope(ScopeService), false, false, false, true, true},
		{"directory", scope(ScopeDirectory), false, false, false, false, false},
		{"unknown scope", scope("root"), false, false, false, false, false},
	} {
		for _, ask := range []struct {
			what      string
			got, want bool
		}{
			{"join as viewer", tt.id.MayJoin(room, RoleViewer), tt.viewer},
			{"join as streamer", tt.id.MayJoin(room, RoleStreamer), tt.streamer},
			{"join as moderator", tt.id.MayJoin(room, RoleModerator), tt.moderator},
			{"join as nobody", tt.id.MayJoin(room, ""), false},
			{"join as king", tt.id.MayJoin(room, "king"), false},
			{"moderate", tt.id.MayModerate(room), tt.moderates},
			{"read", tt.id.MayRead(room), tt.read},
			{"chat as viewer", tt.id.May(room, RoleViewer, ActionChat), tt.viewer},
			{"signal as streamer", tt.id.May(room, RoleStreamer, ActionSignal), tt.streamer},
			{"chat as king", tt.id.May(room, "king", ActionChat), false},
		} {
			if ask.got != ask.want {
				t.Errorf("%s: %s: got %v, want %v", tt.name, ask.what, ask.got, ask.want)
			}
		}
	}
}

func TestCan(t *testing.T) {
	viewer := func(can ...string) Grant { return Grant{Room: "r", Role: RoleViewer, Can: can} }
	all := []Action{ActionChat, ActionReact, ActionSignal, "x.poll", "x.poll.vote"}

	for _, tt := range []struct {
		name   string
		grants []Grant
		role   Role
		want   []Action
	}{
		{"no can is everything", []Grant{viewer()}, RoleViewer, all},
		{"an empty can is nothing", []Grant{{Room: "r", Role: RoleViewer, Can: []string{}}}, RoleViewer, nil},
		{"one action", []Grant{viewer("chat")}, RoleViewer, []Action{ActionChat}},
		{"a prefix", []Grant{viewer("x.poll*")}, RoleViewer, []Action{"x.poll", "x.poll.vote"}},
		{"all events", []Grant{viewer("x.*", "react")}, RoleViewer, []Action{ActionReact, "x.poll", "x.poll.vote"}},
		{"star", []Grant{viewer("*")}, RoleViewer, all},
		{"unknown words allow nothing", []Grant{viewer("fly")}, RoleViewer, nil},
		{"the union of two", []Grant{viewer("chat"), {Room: "*", Role: RoleViewer, Can: []string{"react"}}}, RoleViewer,
			[]Action{ActionChat, ActionReact}},
		{"an open grant beside a narrow one", []Grant{viewer("chat"), {Room: "r*", Role: RoleViewer}}, RoleViewer, all},
		{"a narrow grant on another room", []Grant{viewer(), {Room: "q", Role: RoleViewer, Can: []string{"chat"}}}, RoleViewer, all},
		{"an open grant on another room", []Grant{viewer("chat"), {Room: "q", Role: RoleViewer}}, RoleViewer, []Action{ActionChat}},
		{"a viewer's can does not narrow the streamer", []Grant{viewer("react"), {Room: "r", Role: RoleStreamer}}, RoleStreamer, all},
		{"a viewer's grant does not widen the streamer's", []Grant{viewer(), {Room: "r", Role: RoleStreamer, Can: []string{"signal"}}},
			RoleStreamer, []Action{ActionSignal}},
		{"a narrow moderator who watches", []Grant{{Room: "r", Role: RoleModerator, Can: []string{"chat"}}}, RoleViewer, []Action{ActionChat}},
	} {
		id := &Identity{User: "u", Grants: tt.grants}
		var got []Action
		for _, a := range all {
			if id.May("r", tt.role, a) {
				got = append(got, a)
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
				break
			}
		}
	}
}

func TestHasScope(t *testing.T) {
	backend := &Identity{User: "b", Scopes: []Scope{ScopeService, "openid"}}
	admin := &Identity{User: "a", Scopes: []Scope{ScopeAdmin}}
	for _, tt := range []struct {
		what      string
		got, want bool
	}{
		{"service of service", backend.HasScope(ScopeService), true},
		{"one of two", backend.HasScope(ScopeDirectory, ScopeService), true},
		{"admin of service", backend.HasScope(ScopeAdmin), false},
		{"directory of service", backend.HasScope(ScopeDirectory), false},
		{"directory of admin", admin.HasScope(ScopeDirectory), true},
		{"service of nobody", (&Identity{}).HasScope(ScopeService), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.what, tt.got, tt.want)
		}
	}
}
