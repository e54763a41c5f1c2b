package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tallylight/tallylight/auth"
)

// What PROTOCOL.md and openapi.yaml say about who may do what is held against testdata/rights.txt here: each answers for
// every cell.

// permission is a line of the table in PROTOCOL.md under "Who may do what", for one message and variant.
type permission struct {
	joined []string // the roles in which the room must be joined; none: it need not be
	takes  []string // roles of a grant, or scopes
	can    string   // what the grant's can must contain; "": it does not matter
	answer string   // to whom it is permitted
}

// permissions reads that table. Keys are a message and its variant.
func permissions(t *testing.T) map[string]permission {
	t.Helper()
	found := make(map[string]permission)
	lines := regexp.MustCompile(`(?m)^\| ([^|]*\x60[^|]*) \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$`)
	names := regexp.MustCompile("`([a-z.]+)`(?: \\(([^)]*)\\))?")
	for _, m := range lines.FindAllStringSubmatch(protocolSection(t, "Who may do what"), -1) {
		p := permission{joined: listOf(m[2]), takes: listOf(m[3]), can: strings.Trim(m[4], " `"), answer: strings.Trim(m[5], " `")}
		for _, name := range names.FindAllStringSubmatch(m[1], -1) {
			variants := listOf(name[2])
			if len(variants) == 0 {
				variants = []string{"-"}
			}
			for _, v := range variants {
				if _, again := found[name[1]+" "+v]; again {
					t.Errorf("PROTOCOL.md says twice who may %s %s", name[1], v)
				}
				found[name[1]+" "+v] = p
			}
		}
	}
	return found
}

// listOf takes a list apart that is written with commas and, here and there, as code.
func listOf(text string) []string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "`", "")
	if text == "" {
		return nil
	}
	return strings.Split(text, ", ")
}

// has reports whether an actor has one of what is taken, in a room that is joined in a role, or is not.
func (p permission) has(all map[string]permission, a actor, room, joined string) bool {
	return slices.ContainsFunc(p.takes, func(what string) bool {
		switch what {
		case "a token", "nothing":
			return true
		case "its role":
			return all["join "+joined].has(all, a, room, "")
		}
		return string(a.roleIn(room)) == what || string(a.scope) == what
	}) || a.scope == auth.ScopeAdmin
}

// allows reports whether a grant that is narrowed to can has the action.
func allows(can []string, action string) bool {
	return can == nil || slices.ContainsFunc(can, func(c string) bool {
		prefix, open := strings.CutSuffix(c, "*")
		return c == action || open && strings.HasPrefix(action, prefix)
	})
}

// answerTo is what PROTOCOL.md says of a line of the table.
func (p permission) answerTo(all map[string]permission, a actor, r right) string {
	joined, was := strings.CutPrefix(r.how, "was ")
	switch {
	case a.name == badToken:
		return "4401" // whatever follows such a hello
	case a.name == noToken && r.what == "hello":
		return "4401"
	case a.name == noToken:
		return "unauthorized"
	case len(p.joined) > 0 && (joined == "-" || !was && !all["join "+joined].has(all, a, r.room, "")):
		return "not_joined"
	case len(p.joined) > 0 && !slices.Contains(p.joined, joined):
		return "forbidden"
	case !p.has(all, a, r.room, joined):
		return "forbidden"
	case p.can != "" && a.scope != auth.ScopeAdmin && !allows(a.can, p.can):
		return "forbidden"
	}
	return p.answer
}

func TestProtocolSaysWhoMayDoWhat(t *testing.T) {
	all := permissions(t)
	told := make(map[string]bool)
	for _, r := range rights(t, "messages") {
		p, ok := all[r.what+" "+r.variant]
		if !ok {
			t.Errorf("PROTOCOL.md does not say who may %s %s", r.what, r.variant)
			continue
		}
		told[r.what+" "+r.variant] = true
		for _, a := range actors {
			if got := p.answerTo(all, a, r); got != r.answers[a.name] {
				t.Errorf("%s for %s: PROTOCOL.md says %s, rights.txt %s", r, a.name, got, r.answers[a.name])
			}
		}
	}
	for name := range all {
		if !told[name] {
			t.Errorf("PROTOCOL.md says who may %s, which is not in rights.txt", name)
		}
	}
}

// contract is openapi.yaml.
type contract struct {
	t     *testing.T
	Paths map[string]map[string]any
}

func readContract(t *testing.T) contract {
	t.Helper()
	page, err := os.ReadFile("../../web/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := contract{t: t}
	if err := yaml.Unmarshal(page, &c); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return c
}

// operation returns what it says of a method and a route.
func (c contract) operation(what string) map[string]any {
	c.t.Helper()
	method, route, _ := strings.Cut(what, " ")
	operation, ok := c.Paths[route][strings.ToLower(method)].(map[string]any)
	if !ok {
		c.t.Fatalf("openapi.yaml does not have %s", what)
	}
	return operation
}

// takesAll reports whether the room of a route may be all of them.
func (c contract) takesAll(what string) bool {
	_, route, _ := strings.Cut(what, " ")
	parameters, _ := c.Paths[route]["parameters"].([]any)
	return slices.ContainsFunc(parameters, func(p any) bool {
		return p.(map[string]any)["$ref"] == "#/components/parameters/rooms"
	})
}

// admits returns whose tokens a route takes, in one of its variants if that is another matter.
func (c contract) admits(what, variant string) []string {
	c.t.Helper()
	operation := c.operation(what)
	list, ok := operation["x-admits-"+variant].([]any)
	if !ok {
		list, _ = operation["x-admits"].([]any)
	}
	var words []string
	for _, word := range list {
		words = append(words, word.(string))
	}
	if len(words) == 0 {
		c.t.Errorf("openapi.yaml does not say whom %s admits", what)
	}
	return words
}

// admitted says what openapi.yaml does of a line of the table: yes, or the status.
func admitted(words []string, a actor, r right) string {
	has := func(word string) bool { return slices.Contains(words, word) }
	public := has("public") && r.how == "public"
	role := a.roleIn(r.room)
	action := map[string]string{"reaction": "react"}[r.variant]
	if action == "" {
		action = r.variant
	}
	switch {
	case has("anyone"):
	case a.name == badToken, a.name == noToken && !public && !has("none"):
		return "401"
	case public, has("token"), has("none") && a.name == noToken, has("self") && r.room == "self":
	case a.scope == auth.ScopeAdmin, a.scope != "" && has(string(a.scope)):
	case has("grant") && role != "":
	case has("speaker") && role != "" && allows(a.can, action):
	case has("moderator") && (role == auth.RoleModerator || role == auth.RoleStreamer):
	default:
		return "403"
	}
	return "yes"
}

func TestContractSaysWhomItAdmits(t *testing.T) {
	api := readContract(t)
	variants := make(map[string]bool)
	for _, r := range rights(t, "routes") {
		variants[r.what+" x-admits-"+r.variant] = true
		words := api.admits(r.what, r.variant)
		responses, _ := api.operation(r.what)["responses"].(map[string]any)
		for _, a := range actors {
			want := r.answers[a.name]
			if responses[want] == nil {
				t.Errorf("%s for %s: openapi.yaml does not list the answer %s", r, a.name, want)
			}
			if want != "401" && want != "403" {
				want = "yes"
			}
			if got := admitted(words, a, r); got != want {
				t.Errorf("%s for %s: openapi.yaml says %s, rights.txt %s", r, a.name, got, r.answers[a.name])
			}
		}
	}
	for route, methods := range api.Paths {
		for method := range methods {
			if method == "parameters" {
				continue
			}
			what := strings.ToUpper(method) + " " + route
			api.checkSecurity(what)
			for name := range api.operation(what) {
				if strings.HasPrefix(name, "x-admits-") && !variants[what+" "+name] {
					t.Errorf("openapi.yaml has %s at %s, which is not in rights.txt", name, what)
				}
			}
		}
	}
}

// whose are the words that openapi.yaml may use, which are explained at its head.
var whose = []string{"anyone", "none", "public", "token", "self", "grant", "speaker", "moderator", "directory", "service", "admin"}

// checkSecurity sees that what OpenAPI itself has a place for is the same: whether a token is sent.
func (c contract) checkSecurity(what string) {
	c.t.Helper()
	words := c.admits(what, "-")
	for _, word := range words {
		if !slices.Contains(whose, word) {
			c.t.Errorf("openapi.yaml: %q at %s is nobody", word, what)
		}
	}
	want := "token"
	switch {
	case slices.Contains(words, "anyone"):
		want = ""
	case slices.Contains(words, "public"), slices.Contains(words, "none"):
		want = "none token"
	}
	operation := c.operation(what)
	list, given := operation["security"].([]any)
	var got []string
	if !given {
		got = []string{"token"} // what is said for all routes
	}
	for _, alternative := range list {
		if len(alternative.(map[string]any)) == 0 {
			got = append(got, "none")
		} else {
			got = append(got, "token")
		}
	}
	slices.Sort(got)
	if strings.Join(got, " ") != want {
		c.t.Errorf("openapi.yaml: security of %s is %q, and it admits %q", what, got, words)
	}
	responses, _ := operation["responses"].(map[string]any)
	if want == "" && (responses["401"] != nil || responses["403"] != nil) {
		c.t.Errorf("openapi.yaml: %s looks at no token, and refuses some", what)
	}
}
