package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"go.yaml.in/yaml/v3"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
)

// contract is openapi.yaml.
type contract struct{ doc map[string]any }

func loadContract(t *testing.T) contract {
	t.Helper()
	var c contract
	if err := yaml.Unmarshal(openapi, &c.doc); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return c
}

// at follows keys into the document, and references on the way.
func (c contract) at(node any, keys ...string) any {
	for {
		m, _ := node.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			node = c.at(c.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			continue
		}
		if len(keys) == 0 {
			return node
		}
		if m == nil {
			return nil
		}
		node, keys = m[keys[0]], keys[1:]
	}
}

func (c contract) has(node any, keys ...string) bool { return c.at(node, keys...) != nil }

// operation returns what the contract says of a request, or nil.
func (c contract) operation(method, path string) any {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for template, item := range c.at(c.doc, "paths").(map[string]any) {
		matches := slices.EqualFunc(strings.Split(template, "/"), parts, func(want, got string) bool {
			return want == got || strings.HasPrefix(want, "{") && got != ""
		})
		if matches && (!strings.Contains(template, "{") || !c.has(c.doc, "paths", path)) {
			return c.at(item, strings.ToLower(method))
		}
	}
	return nil
}

// check holds an answer against the contract. Answers to what the contract does
// not have need not be in it.
func (c contract) check(t *testing.T, method, path string, a answer) {
	t.Helper()
	operation := c.operation(method, path)
	if operation == nil || a.status == http.StatusNotModified {
		return
	}
	response := c.at(operation, "responses", fmt.Sprint(a.status))
	if response == nil {
		if a.status != http.StatusInternalServerError {
			t.Errorf("%s %s: got %d, which openapi.yaml does not have", method, path, a.status)
		}
		return
	}
	if a.status == http.StatusNoContent {
		if len(a.body) > 0 {
			t.Errorf("%s %s: 204 with %q", method, path, a.body)
		}
		return
	}
	got, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	content, _ := c.at(response, "content").(map[string]any)
	if content == nil && len(a.body) == 0 {
		return
	}
	if content[got] == nil && content["*/*"] == nil {
		t.Errorf("%s %s: got content type %q, openapi.yaml has %v", method, path, got, slices.Collect(maps.Keys(content)))
		return
	}
	if c.has(response, "headers", "Retry-After") && a.header.Get("Retry-After") == "" {
		t.Errorf("%s %s: got %d without Retry-After", method, path, a.status)
	}
	if strings.HasSuffix(got, "json") {
		c.checkJSON(t, fmt.Sprintf("%s %s: %d", method, path, a.status), c.at(content[got], "schema"), a.body)
	}
}

// checkNamed holds JSON against one of the contract's schemas.
func (c contract) checkNamed(t *testing.T, name string, data []byte) {
	t.Helper()
	c.checkJSON(t, name, c.at(c.doc, "components", "schemas", name), data)
}

func (c contract) checkJSON(t *testing.T, name string, schema any, data []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Errorf("%s: %v in %q", name, err, data)
		return
	}
	for _, mismatch := range c.mismatches(schema, v, "") {
		t.Errorf("%s: %s\nin %.500s", name, mismatch, data)
	}
}

// mismatches is as much of JSON Schema as the contract uses. It is stricter in
// one thing: there must be no field that the contract does not have.
func (c contract) mismatches(schema, v any, where string) []string {
	node, ok := c.at(schema).(map[string]any)
	if !ok {
		return []string{where + ": there is no such schema"}
	}
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, where+": "+fmt.Sprintf(format, args...)) }
	if want := node["type"]; want != nil && !isType(want, v) {
		complain("got %v, want %v", v, want)
		return wrong
	}
	if enum, ok := node["enum"].([]any); ok && !slices.Contains(enum, v) {
		complain("got %v, want one of %v", v, enum)
	}
	if want, ok := node["const"]; ok && want != v {
		complain("got %v, want %v", v, want)
	}
	switch v := v.(type) {
	case string:
		wrong = append(wrong, stringMismatches(node, v, where)...)
	case []any:
		for i, item := range v {
			wrong = append(wrong, c.mismatches(node["items"], item, fmt.Sprintf("%s[%d]", where, i))...)
		}
	case map[string]any:
		wrong = append(wrong, c.objectMismatches(node, v, where)...)
	}
	return wrong
}

func (c contract) objectMismatches(node, v map[string]any, where string) []string {
	var wrong []string
	required, _ := node["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s.%s is missing", where, name))
		}
	}
	properties, _ := node["properties"].(map[string]any)
	for name, value := range v {
		if properties[name] == nil {
			wrong = append(wrong, fmt.Sprintf("%s.%s is not in openapi.yaml", where, name))
			continue
		}
		wrong = append(wrong, c.mismatches(properties[name], value, where+"."+name)...)
	}
	return wrong
}

func stringMismatches(node map[string]any, v, where string) []string {
	pattern, _ := node["pattern"].(string)
	if pattern != "" && !regexp.MustCompile(pattern).MatchString(v) {
		return []string{fmt.Sprintf("%s: %q does not match %s", where, v, pattern)}
	}
	if node["format"] == "date-time" {
		if at, err := time.Parse(presence.TimeLayout, v); err != nil || at.UTC().Format(presence.TimeLayout) != v {
			return []string{fmt.Sprintf("%s: %q is not a time in UTC with milliseconds", where, v)}
		}
	}
	if node["format"] == "uuid" && !record.ValidID(v) {
		return []string{fmt.Sprintf("%s: %q is not a UUID", where, v)}
	}
	return nil
}

func isType(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return isType(w, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case string:
		return want == "string"
	case []any:
		return want == "array"
	}
	return want == "object"
}

func TestRoutesAreInTheContract(t *testing.T) {
	c := loadContract(t)
	documented := make(map[string]bool)
	for path, item := range c.at(c.doc, "paths").(map[string]any) {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				documented[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	served := make(map[string]bool)
	routes := New(Config{Socket: http.NotFoundHandler()}).(chi.Routes)
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served[method+" "+strings.Replace(route, "*", "{file}", 1)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for route := range served {
		if !documented[route] {
			t.Errorf("%s is served but not in openapi.yaml", route)
		}
	}
	for route := range documented {
		if !served[route] {
			t.Errorf("%s is in openapi.yaml but not served", route)
		}
	}
}

// Every reference must lead somewhere, every part of a path must be a parameter,
// and every operation must say what it is for.
func TestContractIsWhole(t *testing.T) {
	c := loadContract(t)
	var walk func(node any)
	walk = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			if ref, ok := node["$ref"].(string); ok && c.at(node) == nil {
				t.Errorf("%s leads nowhere", ref)
			}
			for _, child := range node {
				walk(child)
			}
		case []any:
			for _, child := range node {
				walk(child)
			}
		}
	}
	walk(c.doc)
	for path, item := range c.at(c.doc, "paths").(map[string]any) {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			if !c.has(operation, "summary") {
				t.Errorf("%s %s has no summary", method, path)
			}
			named := make(map[any]bool)
			for _, list := range []any{item.(map[string]any)["parameters"], c.at(operation, "parameters")} {
				parameters, _ := list.([]any)
				for _, p := range parameters {
					named[c.at(p, "name")] = true
				}
			}
			for _, part := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
				if !named[part[1]] {
					t.Errorf("%s %s does not describe %s", method, path, part[0])
				}
			}
		}
	}
}

// The checks of this file must be able to fail.
func TestContractRefuses(t *testing.T) {
	c := loadContract(t)
	for name, body := range map[string]string{
		"missing field":    `{"data":[],"total":0}`,
		"unknown field":    `{"data":[],"total":0,"stale":false,"extra":1}`,
		"wrong type":       `{"data":[],"total":"0","stale":false}`,
		"inside of a list": `{"data":[{}],"total":0,"stale":false}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if c.mismatches(c.at(c.doc, "components", "schemas", "LivePage"), v, "") == nil {
			t.Errorf("%s: %s passes", name, body)
		}
	}
}
