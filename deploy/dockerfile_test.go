package deploy_test

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// instruction is one of the Dockerfile.
type instruction struct {
	stage   int // of the image, from 0
	word    string
	options []string // such as --from=build
	rest    string
}

// dockerfile returns the instructions. It knows what ours uses.
func dockerfile() ([]instruction, error) {
	data, err := os.ReadFile("../Dockerfile")
	if err != nil {
		return nil, err
	}
	var all []instruction
	stage := -1
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var i instruction
		i.word, i.rest, _ = strings.Cut(line, " ")
		for i.rest = strings.TrimSpace(i.rest); strings.HasPrefix(i.rest, "--"); i.rest = strings.TrimSpace(i.rest) {
			var option string
			option, i.rest, _ = strings.Cut(i.rest, " ")
			i.options = append(i.options, option)
		}
		if i.word == "FROM" {
			stage++
		}
		i.stage = stage
		all = append(all, i)
	}
	return all, nil
}

func readDockerfile(t *testing.T) []instruction {
	t.Helper()
	all, err := dockerfile()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// last returns what the last instruction of that name says in the image that is shipped.
func last(all []instruction, word string) string {
	said := ""
	for _, i := range all {
		if i.stage == all[len(all)-1].stage && i.word == word {
			said = i.rest
		}
	}
	return said
}

// ignored tells of a path below the root whether .dockerignore keeps it from the builder: the last line that matches it
// or one of its folders decides.
func ignored() (func(name string) bool, error) {
	data, err := os.ReadFile("../.dockerignore")
	if err != nil {
		return nil, err
	}
	type rule struct {
		pattern *regexp.Regexp
		ignore  bool
	}
	var rules []rule
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, exception := strings.CutPrefix(line, "!")
		expression := regexp.QuoteMeta(path.Clean(pattern))
		expression = strings.ReplaceAll(expression, `\*\*/`, `(.*/)?`)
		expression = strings.ReplaceAll(expression, `\*`, `[^/]*`)
		compiled, err := regexp.Compile("^" + expression + "(/.*)?$")
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule{compiled, !exception})
	}
	return func(name string) bool {
		ignore := false
		for _, r := range rules {
			if r.pattern.MatchString(name) {
				ignore = r.ignore
			}
		}
		return ignore
	}, nil
}

// copyContext copies what the builder gets of this repository to dir, in the place of "COPY . .".
func copyContext(dir string) error {
	ignore, err := ignored()
	if err != nil {
		return err
	}
	root := os.DirFS("..")
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "web/node_modules" || name == ".git" { // large; that they are ignored is tested elsewhere
			return fs.SkipDir
		}
		if d.IsDir() || ignore(name) {
			return nil
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), data, 0o600)
	})
}

// built is where programs are built.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "tallylight-image-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// program returns the program of the image, as one for this system: made by the Dockerfile's own command, from nothing
// but what the builder gets.
var program = sync.OnceValues(func() (string, error) { return build(runtime.GOOS) })

func build(system string) (string, error) {
	all, err := dockerfile()
	if err != nil {
		return "", err
	}
	var command string
	for _, i := range all {
		if i.word == "RUN" && strings.Contains(i.rest, "go build") {
			command = i.rest
		}
	}
	const out = "-o /out/tallylight "
	if strings.Count(command, out) != 1 {
		return "", fmt.Errorf("the Dockerfile builds with %q, want it to have %q", command, out)
	}
	context, path := filepath.Join(built, system, "src"), filepath.Join(built, system, "tallylight")
	if err := copyContext(context); err != nil {
		return "", err
	}
	run := exec.Command("/bin/sh", "-c", strings.Replace(command, out, `-o "$OUT" `, 1))
	run.Dir = context
	run.Env = append(os.Environ(), "OUT="+path, "GOOS="+system)
	if said, err := run.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", command, err, said)
	}
	return path, nil
}

// In an image of nothing else there is no loader and no library.
func TestImageProgramIsStatic(t *testing.T) {
	build := func() (string, error) { return build("linux") }
	if runtime.GOOS == "linux" {
		build = program
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it asks for a loader")
		}
	}
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it asks for the libraries %q, %v", libraries, err)
	}
	if f.Section(".debug_info") != nil || f.Section(".symtab") != nil {
		t.Error("it has debugging tables")
	}
}

func TestImage(t *testing.T) {
	all := readDockerfile(t)
	owner := last(all, "USER")
	uid, gid, _ := strings.Cut(owner, ":")
	for _, id := range []string{uid, gid} {
		if n, err := strconv.Atoi(id); err != nil || n == 0 {
			t.Errorf("USER %s, want numbers and not root's", owner)
		}
	}
	for word, want := range map[string]string{
		"ENTRYPOINT": `["/tallylight"]`, "CMD": `["serve"]`, "EXPOSE": "8080", "WORKDIR": "/data", "VOLUME": "/data",
	} {
		if got := last(all, word); got != want {
			t.Errorf("%s %s, want %s", word, got, want)
		}
	}
	copied := map[string]string{} // destination → options
	for _, i := range all {
		if i.word == "COPY" && i.stage == all[len(all)-1].stage {
			words := strings.Fields(i.rest)
			copied[words[len(words)-1]] = strings.Join(i.options, " ")
		}
	}
	if got, want := copied["/data"], "--chown="+owner; !strings.Contains(got, want) {
		t.Errorf("the folder of the database is copied with %q, want %s", got, want)
	}
	for _, path := range []string{"/tallylight", "/etc/ssl/certs/ca-certificates.crt"} {
		if got := copied[path]; got != "--from=build" {
			t.Errorf("%s is copied with %q, want it root's", path, got)
		}
	}
}

// TestImageSources sees that the builder gets what it is told to copy, in a Go that is new enough, and that it gets
// nothing that is none of its business.
func TestImageSources(t *testing.T) {
	ignore, err := ignored()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range readDockerfile(t) {
		if i.word != "COPY" || strings.Contains(strings.Join(i.options, " "), "--from=") {
			continue
		}
		words := strings.Fields(i.rest)
		for _, source := range words[:len(words)-1] {
			if _, err := os.Stat(filepath.Join("..", source)); err != nil {
				t.Errorf("COPY %s: %v", source, err)
			}
			if source != "." && ignore(source) {
				t.Errorf("COPY %s: .dockerignore keeps it out", source)
			}
		}
	}
	for _, name := range []string{
		"secret", ".env", "tallylight", "tallylight.db", "cmd/tallylight/tallylight.db-wal", ".git/config", "docs/watch.png",
		"web/node_modules/vite/package.json", "cmd/tallylight/serve_test.go", "docker-compose.yml",
	} {
		if !ignore(name) {
			t.Errorf("the builder gets %s", name)
		}
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(readFile(t, "../go.mod"))
	if from, want := readDockerfile(t)[0].rest, "golang:"+string(m[1])+" AS build"; from != want {
		t.Errorf("FROM %s, want %s as in go.mod", from, want)
	}
}
