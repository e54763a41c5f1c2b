package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/tallylight/tallylight/presence"
)

const (
	defaultFirst, maxFirst = 20, 100
	// maxFilters bounds how often one filter may be given, for each is compared
	// with everyone who is live.
	maxFilters = 100
)

// params reads a query string. It keeps the first mistake, which names its
// parameter; parameters that nobody asks for are passed over, as unknown
// fields of messages are.
type params struct {
	values url.Values
	err    error
}

func paramsOf(r *http.Request) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &params{values: url.Values{}, err: badRequest("the query can't be read: %s", err)}
	}
	return &params{values: values}
}

func (p *params) refuse(format string, args ...any) {
	if p.err == nil {
		p.err = badRequest(format, args...)
	}
}

// one returns the value of a parameter that may be given once.
func (p *params) one(name string) string {
	values := p.values[name]
	if len(values) > 1 {
		p.refuse("%s is given %d times; it takes one value", name, len(values))
	}
	p.text(name, values)
	return p.values.Get(name)
}

// text refuses what can't be in a database: PostgreSQL fails over it, as if it were away.
func (p *params) text(name string, values []string) {
	for _, value := range values {
		if !isText(value) {
			p.refuse("%s %.100q is not text", name, value)
		}
	}
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// valid is like one, for values of a certain form; empty is not given.
func (p *params) valid(name, form string, ok func(string) bool) string {
	value := p.one(name)
	if value != "" && !ok(value) {
		p.refuse("%s %.100q is not %s", name, value, form)
	}
	return value
}

// many returns the values of a parameter that may be repeated. ok may be nil.
func (p *params) many(name, form string, ok func(string) bool) []string {
	values := p.values[name]
	if len(values) > maxFilters {
		p.refuse("%s is given %d times; it takes at most %d values", name, len(values), maxFilters)
	}
	p.text(name, values)
	for _, value := range values {
		if ok != nil && !ok(value) {
			p.refuse("%s %.100q is not %s", name, value, form)
		}
	}
	return values
}

// first returns how many rows a page may have.
func (p *params) first() int { return p.firstOf(defaultFirst, maxFirst) }

func (p *params) firstOf(otherwise, most int) int {
	value := p.one("first")
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		p.refuse("first %.100q is not a number from 1 to %d", value, most)
	}
	return n
}

// time returns an instant, 0 if it is not given.
func (p *params) time(name string) presence.Millis {
	value := p.one(name)
	if value == "" {
		return 0
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		p.refuse("%s %.100q is not a time such as 2026-01-31T12:00:00Z (a + is written %%2B in a URL)", name, value)
	}
	return instant(at)
}

// instant returns a time that somebody has named. It is never 0, which means that nobody has.
func instant(at time.Time) presence.Millis { return cmp.Or(presence.MillisOf(at), 1) }

// oneOf is a form that only some words have.
func oneOf(words ...string) (form string, ok func(string) bool) {
	return fmt.Sprintf("one of %s", strings.Join(words, ", ")),
		func(value string) bool { return slices.Contains(words, value) }
}

// pathID returns a part of the path that must be an id.
func pathID(r *http.Request, name, form string, valid func(string) bool) (string, error) {
	id := chi.URLParam(r, name)
	if r.URL.RawPath != "" { // the router then matched the path as it was sent
		unescaped, err := url.PathUnescape(id)
		if err != nil {
			return "", badRequest("%s can't be read: %s", name, err)
		}
		id = unescaped
	}
	if !valid(id) {
		return "", badRequest("%.100q is not %s", id, form)
	}
	return id, nil
}

// What ids look like, in words.
const (
	formRoom = "a room id: 1 to 128 of A-Z a-z 0-9 . _ - ~ :"
	formUser = "a user id: 1 to 128 of A-Z a-z 0-9 . _ - ~ : @ | + ="
)
