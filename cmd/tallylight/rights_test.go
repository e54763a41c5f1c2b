package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/web"
)

// Who may do what is written down in testdata/rights.txt. This file reads it and sees that nothing is missing there.

// right is a line of it: what is asked for, and the answer to each actor.
type right struct {
	what    string // a message, or a method and a route
	variant string
	room    string
	how     string // as, or node
	answers map[string]string
}

func (r right) String() string {
	return strings.Join([]string{r.what, r.variant, r.room, r.how}, " | ")
}

// actor is a kind of token. Those in no room have neither role nor scope.
type actor struct {
	name  string
	role  auth.Role // of the grant, if there is one
	over  string    // the room of the grant: "own", "prefix" of it, or "all"
	can   []string  // nil: it is not narrowed
	scope auth.Scope
}

const (
	noToken  = "nobody"
	badToken = "refused"
)

var actors = []actor{
	{name: noToken},
	{name: badToken},
	{name: "plain"},
	{name: "viewer", role: auth.RoleViewer, over: "own"},
	{name: "streamer", role: auth.RoleStreamer, over: "own"},
	{name: "moderator", role: auth.RoleModerator, over: "own"},
	{name: "prefix", role: auth.RoleStreamer, over: "prefix"},
	{name: "all", role: auth.RoleModerator, over: "all"},
	{name: "v:chat", role: auth.RoleViewer, over: "own", can: []string{"chat"}},
	{name: "v:none", role: auth.RoleViewer, over: "own", can: []string{}},
	{name: "s:x", role: auth.RoleStreamer, over: "own", can: []string{"x.*"}},
	{name: "m:signal", role: auth.RoleModerator, over: "own", can: []string{"react", "signal"}},
	{name: "directory", scope: auth.ScopeDirectory},
	{name: "service", scope: auth.ScopeService},
	{name: "admin", scope: auth.ScopeAdmin},
}

// roleIn returns the role that the actor is granted in a room, or "".
func (a actor) roleIn(room string) auth.Role {
	if room == "own" || room == "another" && a.over == "all" {
		return a.role
	}
	return ""
}

// token is the actor's, in the name of a user. A prefix ends before what tells own from another.
func (a actor) token(t *testing.T, user, own string) string {
	t.Helper()
	c := auth.Claims{User: user, Expires: time.Now().Add(time.Hour)}
	if a.role != "" {
		room := map[string]string{"own": own, "prefix": own[:len(own)-1] + "*", "all": "*"}[a.over]
		c.Grants = []auth.Grant{{Room: room, Role: a.role, Can: a.can}}
	}
	if a.scope != "" {
		c.Scopes = []auth.Scope{a.scope}
	}
	secret := testSecret
	if a.name == badToken {
		secret = strings.Repeat("of somebody else ", 3)
	}
	minted, err := auth.Mint(secret, c)
	if err != nil {
		t.Fatal(err)
	}
	return minted
}

// rights reads a part of the table.
func rights(t *testing.T, part string) []right {
	t.Helper()
	file, err := os.Open("testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []right
	var header []string
	section, line := "", 0
	columns := regexp.MustCompile(`\s{2,}`)
	for s := bufio.NewScanner(file); s.Scan(); {
		line++
		text := strings.TrimSpace(s.Text())
		fields := columns.Split(text, -1)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "["):
			section = strings.Trim(text, "[]")
		case section != part:
		case header == nil:
			header = fields
		case len(fields) != len(header):
			t.Fatalf("rights.txt:%d: %d columns, and the header has %d: no cell may be empty", line, len(fields), len(header))
		default:
			found = append(found, rightOf(header, fields))
		}
	}
	names := make([]string, len(actors))
	for i, a := range actors {
		names[i] = a.name
	}
	if len(header) < 4 || !slices.Equal(header[4:], names) {
		t.Fatalf("rights.txt has columns %q under [%s], want four and then %q", header, part, names)
	}
	return found
}

func rightOf(header, fields []string) right {
	r := right{what: fields[0], variant: fields[1], room: fields[2], how: fields[3], answers: make(map[string]string)}
	for i := 4; i < len(header); i++ {
		r.answers[header[i]] = fields[i]
	}
	return r
}

// Each answer must be one that there is, and nothing may be said twice.
func TestRightsAreWellFormed(t *testing.T) {
	codes := append(protocolTable(t, "Errors"), protocolTable(t, "Close codes")...)
	answers := map[string]*regexp.Regexp{
		"messages": regexp.MustCompile("^(ok|" + strings.Join(codes, "|") + ")$"),
		"routes":   regexp.MustCompile("^(101|2..|40[0-9])$"),
	}
	for part, form := range answers {
		seen := make(map[string]bool)
		for _, r := range rights(t, part) {
			if seen[r.String()] {
				t.Errorf("%s is there twice", r)
			}
			seen[r.String()] = true
			for actor, answer := range r.answers {
				if !form.MatchString(answer) {
					t.Errorf("%s: %q for %s is no answer", r, answer, actor)
				}
			}
		}
	}
}

// Every message has a line for each of its variants, in one's own room and in another. The program's table of messages
// is compared with the sections of PROTOCOL.md where it is.
func TestEveryMessageHasRights(t *testing.T) {
	have := make(map[string]bool)
	lines := rights(t, "messages")
	for _, r := range lines {
		for _, name := range []string{r.what, r.what + " " + r.variant, r.String()} {
			have[name] = true
		}
	}
	for _, r := range lines {
		rooms := map[string]string{"own": "another", "another": "own", "-": "-"}
		if r.room = rooms[r.room]; !have[r.String()] {
			t.Errorf("%s is not in rights.txt, only what is said of another room", r)
		}
	}
	wantJoined(t, lines)
	section := protocolSection(t, "What a client sends")
	want := headings.FindAllStringSubmatch(section, -1)
	for _, m := range want {
		if !have[m[1]] {
			t.Errorf("message %q is not in rights.txt", m[1])
		}
	}
	variants := []string{
		"join viewer", "join streamer", "join moderator", "publish chat", "publish reaction", "publish x.poll",
		"signal streamer", "signal viewer", "signal moderator", "refresh own", "refresh another",
	}
	_, moderate, _ := strings.Cut(section, "### `moderate`")
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(moderate, -1) {
		if m[1] != "action" {
			variants = append(variants, "moderate "+m[1])
		}
	}
	for _, v := range variants {
		if !have[v] {
			t.Errorf("%q is not in rights.txt", v)
		}
	}
	if len(want) < 12 || len(variants) < 18 {
		t.Errorf("PROTOCOL.md was read wrongly: %q, %q", want, variants)
	}
}

// wantJoined sees that what is about a room is asked for by who has not joined it, who has, and who has with another
// token, and each message in every role.
func wantJoined(t *testing.T, lines []right) {
	t.Helper()
	have := make(map[string]bool)
	for _, r := range lines {
		role, was := strings.CutPrefix(r.how, "was ")
		kind := map[bool]string{true: "was", false: "joined"}[was]
		if role == "-" {
			kind = "-"
		}
		have[r.what+" "+r.variant+" "+kind] = true
		have[r.what+" as "+r.how] = true
	}
	for name, p := range permissions(t) {
		if len(p.joined) == 0 {
			continue
		}
		what, _, _ := strings.Cut(name, " ")
		for _, line := range []string{
			name + " -", name + " joined", name + " was", what + " as viewer", what + " as streamer", what + " as moderator",
		} {
			if !have[line] {
				t.Errorf("%q is not in rights.txt", line)
			}
		}
	}
}

var headings = regexp.MustCompile("(?m)^### `([a-z._]+)`$")

// protocolSection returns what PROTOCOL.md says under a heading.
func protocolSection(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../../signalling/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("PROTOCOL.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// Every route has its lines: in one's own room and another, and with the directory public where that is another matter.
// Which routes are about the whole service as well, and which are public, openapi.yaml says.
func TestEveryRouteHasRights(t *testing.T) {
	have := make(map[string]bool)
	for _, r := range rights(t, "routes") {
		have[fmt.Sprintf("%s in %s on %s", r.what, r.room, r.how)] = true
		have[r.what] = true
	}
	served := make(map[string]bool)
	want := func(what, room, how string) {
		if key := fmt.Sprintf("%s in %s on %s", what, room, how); !have[key] {
			t.Errorf("%s is not in rights.txt", key)
		}
	}
	api := readContract(t)
	routes := web.New(web.Config{Socket: http.NotFoundHandler()}).(chi.Routes)
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		what := method + " " + strings.Replace(route, "*", "{file}", 1)
		served[what] = true
		rooms, nodes := []string{"-"}, []string{"-"}
		switch {
		case strings.Contains(route, "/streamers/{id}"):
			rooms = []string{"self", "another"}
		case strings.Contains(route, "{room}"):
			rooms = []string{"own", "another"}
			if api.takesAll(what) {
				rooms = append(rooms, "*")
			}
		}
		if slices.Contains(api.admits(what, "-"), "public") {
			nodes = append(nodes, "public")
		}
		for _, room := range rooms {
			for _, node := range nodes {
				want(what, room, node)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rights(t, "routes") {
		if !served[r.what] {
			t.Errorf("%s is in rights.txt, and not served", r.what)
		}
	}
}
