package tallylight_test

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tallylight/tallylight"

// arrows is the architecture: who may import whom. Everything else between our packages is a mistake, a folder that is
// not listed included: put it here and say in the commit why it is there.
var arrows = map[string][]string{
	"":                    nil, // only this test
	"cmd/tallylight":      {"signalling", "web", "rooms", "rooms/moderation", "presence", "presence/record", "presence/webhook", "auth", "migrations", "internal/handshake", "internal/redisconn", "internal/bench", "internal/usage"},
	"cmd/bare":            {"internal/bare"},
	"signalling":          {"rooms", "rooms/moderation", "presence", "auth", "internal/nowait", "internal/pace", "internal/visitor", "internal/wire"},
	"web":                 {"rooms", "rooms/moderation", "presence", "presence/record", "presence/webhook", "auth", "internal/pace"}, // never signalling: cmd hands it the handler of /v1/ws
	"rooms":               {"rooms/moderation", "presence", "auth", "internal/redisconn", "internal/wire"},
	"rooms/moderation":    {"presence", "auth"}, // who is kept out, and the audit: of rooms themselves it knows nothing
	"presence":            {"internal/redisconn", "internal/wire"},
	"presence/record":     {"presence", "presence/webhook", "internal/wire"}, // the history in SQL, which follows presence and is nothing that presence needs
	"presence/webhook":    {"presence", "internal/wire"},                     // events and their delivery: of presence it knows the time alone
	"auth":                nil,
	"migrations":          nil,
	"deploy":              {"auth", "signalling"},                  // only tests of what is deployed: the images, nginx.conf; they ask it as clients
	"internal/bare":       nil,                                     // the least that the bench can be run against
	"internal/bench":      {"auth", "internal/usage"},              // it mints tokens, and knows the program by its protocol alone
	"internal/chaos":      {"auth", "internal/testserver"},         // the fault checker: it starts the program, and knows it by its protocol alone
	"internal/handshake":  {"internal/nowait", "internal/visitor"}, // HTTP, and nothing of what a socket is for
	"internal/pace":       nil,                                     // bounds on what comes in a second
	"internal/visitor":    nil,                                     // who counts as one visitor
	"internal/nowait":     nil,                                     // what a connection can do without waiting
	"internal/usage":      nil,                                     // what a process uses, and may: the bench measures nodes, a node looks at itself
	"internal/redisconn":  nil,                                     // how Redis is spoken to; what is kept there is the business of presence and rooms
	"internal/testserver": nil,
	"internal/wire":       nil, // JSON as sockets carry it
}

// testArrows is what tests may import beyond that.
var testArrows = []string{"migrations", "internal/testserver", "internal/bare"}

func folder(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// packages finds our packages by their folders, "" being the root. It does not ask the go command: what this process
// itself reads, "go test" takes into account before it says that a result from its cache still holds.
func packages(t *testing.T) map[string]*build.Package {
	t.Helper()
	found := map[string]*build.Package{}
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name != "." && strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(dir, 0)
		if _, empty := errors.AsType[*build.NoGoError](err); empty {
			return nil
		}
		found[strings.TrimPrefix(filepath.ToSlash(dir), ".")] = p
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found["auth"] == nil {
		t.Fatal("the packages are not where this test looks for them")
	}
	return found
}

func TestImportArrows(t *testing.T) {
	for name, p := range packages(t) {
		allowed, known := arrows[name]
		if !known {
			t.Errorf("%s is a package that the architecture does not know", name)
			continue
		}
		check := func(kind string, imports, allowed []string) {
			for _, imported := range imports {
				if ours(imported) && folder(imported) != name && !slices.Contains(allowed, folder(imported)) {
					t.Errorf("%s%s imports %s", name, kind, folder(imported))
				}
			}
		}
		check("", p.Imports, allowed)
		inTests := slices.Concat(allowed, testArrows)
		check(" (tests)", p.TestImports, inTests)
		check(" (tests)", p.XTestImports, inTests)
	}
}

// Flags and environment are read, and the process is ended, by cmd alone: a package gets a Config and returns errors.
func TestOnlyCmdKnowsTheProcess(t *testing.T) {
	imports := []string{"flag", "github.com/alecthomas/kong"}
	calls := []string{
		"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.Exit", "os.Args",
		"syscall.Getenv", "syscall.Environ", "syscall.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln",
	}
	for name, p := range packages(t) {
		// What starts servers for tests learns from the environment whether it may skip.
		if strings.HasPrefix(name, "cmd/") || name == "internal/testserver" {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(imports, i) {
				t.Errorf("%s imports %s", name, i)
			}
		}
		for _, file := range p.GoFiles {
			for _, used := range selectors(t, filepath.Join(p.Dir, file)) {
				if slices.Contains(calls, used) {
					t.Errorf("%s/%s uses %s", name, file, used)
				}
			}
		}
	}
}

// selectors lists what a file uses of the packages it imports, as "os.Exit", whatever name it imports them by.
func selectors(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{}
	for _, i := range parsed.Imports {
		importPath, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(importPath)
		if i.Name != nil {
			name = i.Name.Name
		}
		paths[name] = importPath
	}
	var used []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && paths[x.Name] != "" {
				used = append(used, paths[x.Name]+"."+s.Sel.Name)
			}
		}
		return true
	})
	return used
}
