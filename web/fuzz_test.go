package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/migrations"
	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/presence/record"
	"github.com/tallylight/tallylight/presence/webhook"
	"github.com/tallylight/tallylight/rooms"
	"github.com/tallylight/tallylight/rooms/moderation"
)

// maxExplained is how many bytes a refusal has at most, whatever it is about.
const maxExplained = 2 << 10

// Whatever stands in a query: it is refused with one line of bounded length, or it is within the bounds of its list, can be
// kept in any database, and means the same when it is written down anew.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"", "first=20&after=7&sort=started&category=art&category=&language=de&streamer=alice&state=live&state=reconnecting",
		"streamer=alice&room=studio&from=2026-01-31T12:00:00Z&to=2026-02-01T00:00:00%2B02:00", "first=0", "first=101", "first=%2B5", "first=1&first=2",
		"to=1970-01-01T00:00:00Z",                               // was taken for no bound at all
		"target=%00", "action=a%00b", "target=%ff", "actor=%c3", // a database that can't have these was taken for one that is away
		"room=*&actor=alice&target=ip:2001:db8::1&action=ban&after=9223372036854775807", "target=ip:::ffff:1.2.3.4", "after=-1", "after=1e3", "state=pending",
		"a;b", "%", "%zz=1", "a=%", "from=0000-01-01T00:00:00%2B23:59", "to=9999-12-31T23:59:59.999999999-23:59", "to=2026-1-1", "from=2026-06-30T23:59:60Z",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		of := func(query string) *http.Request { return &http.Request{URL: &url.URL{Path: "/v1", RawQuery: query}} }
		fuzzQuery(t, query, of, liveQuery, liveValues, func(q presence.Query) (int, []string) {
			return q.First, slices.Concat([]string{q.After}, q.Categories, q.Languages, q.Streamers)
		})
		for _, table := range []bool{false, true} {
			read := func(r *http.Request) (record.Query, error) { return recordQuery(r, table) }
			fuzzQuery(t, query, of, read, recordValues, func(q record.Query) (int, []string) {
				if given, _ := url.ParseQuery(query); (q.From == 0) != (given.Get("from") == "") || (q.To == 0) != (given.Get("to") == "") {
					t.Errorf("%q is %+v", query, q)
				}
				if table {
					q.First = min(q.First, maxFirstCSV) / (maxFirstCSV / maxFirst)
					q.First = max(q.First, 1)
				}
				return q.First, []string{q.After, q.Streamer, q.Room}
			})
		}
		fuzzQuery(t, query, of, auditQuery, auditValues, func(q moderation.AuditQuery) (int, []string) {
			return q.First, []string{q.Room, q.Actor, q.Target, string(q.Action)}
		})
		fuzzQuery(t, query, of, deliveryQuery, deliveryValues, func(q webhook.DeliveryQuery) (int, []string) {
			return q.First, []string{string(q.State)}
		})
	})
}

// fuzzQuery looks at one kind of query: how it is read, how what was read is written, and what of it goes to a store.
func fuzzQuery[Q any](t *testing.T, query string, of func(string) *http.Request, read func(*http.Request) (Q, error), write func(Q) url.Values, kept func(Q) (int, []string)) {
	t.Helper()
	q, err := read(of(query))
	if err != nil {
		wantRefusal(t, query, err)
		return
	}
	first, texts := kept(q)
	if first < 1 || first > maxFirst {
		t.Errorf("%q has pages of %d", query, first)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			t.Errorf("%q has %q, which PostgreSQL can't keep", query, text)
		}
	}
	again, err := read(of(write(q).Encode()))
	if err != nil || !reflect.DeepEqual(again, q) {
		t.Errorf("%q is %+v, and then %+v, %v", query, q, again, err)
	}
}

// wantRefusal looks at an error that is the client's fault.
func wantRefusal(t *testing.T, what string, err error) {
	t.Helper()
	refused, ok := errors.AsType[*failure](err)
	if !ok || refused.code != rooms.CodeBadRequest || refused.detail == "" || len(refused.detail) > maxExplained || !utf8.ValidString(refused.detail) || strings.ContainsAny(refused.detail, "\r\n\x00") {
		t.Errorf("%.500q is refused with %.2000q", what, err)
	}
}

func liveValues(q presence.Query) url.Values {
	v := url.Values{"first": {strconv.Itoa(q.First)}, "after": {q.After}, "sort": {string(q.Sort)}, "category": q.Categories, "language": q.Languages, "streamer": q.Streamers}
	for _, state := range q.States {
		v.Add("state", string(state))
	}
	return v
}

func recordValues(q record.Query) url.Values {
	v := url.Values{"first": {strconv.Itoa(q.First)}, "after": {q.After}, "streamer": {q.Streamer}, "room": {q.Room}}
	for name, at := range map[string]presence.Millis{"from": q.From, "to": q.To} {
		if at != 0 {
			v.Set(name, written(at.Time()))
		}
	}
	return v
}

// written returns a time in the form of RFC 3339, which has four digits for the year: those before and after that must have
// come with an offset.
func written(at time.Time) string {
	const most = 24*60*60 - 60
	switch year := at.Year(); {
	case year < 0:
		at = at.In(time.FixedZone("", most))
	case year > 9999:
		at = at.In(time.FixedZone("", -most))
	}
	return at.Format(time.RFC3339Nano)
}

func auditValues(q moderation.AuditQuery) url.Values {
	v := url.Values{"first": {strconv.Itoa(q.First)}, "room": {q.Room}, "actor": {q.Actor}, "target": {q.Target}, "action": {string(q.Action)}}
	if q.After != 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	return v
}

func deliveryValues(q webhook.DeliveryQuery) url.Values {
	v := url.Values{"first": {strconv.Itoa(q.First)}, "state": {string(q.State)}}
	if q.After != 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	return v
}

// fuzzedAPI is a node whose requests cost nothing but their own work, and which nothing else happens on.
func fuzzedAPI(f *testing.F) http.Handler {
	f.Helper()
	logger := slog.New(slog.DiscardHandler)
	db, dialect, err := migrations.Open(f.Context(), "sqlite:"+filepath.Join(f.TempDir(), "fuzz.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	if err := migrations.Up(f.Context(), db, dialect); err != nil {
		f.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{secret}})
	if err != nil {
		f.Fatal(err)
	}
	store := presence.NewMemory(rooms.PresenceFollower, record.Follower)
	directory := presence.NewDirectory(store, logger)
	book := moderation.NewBook(&moderation.Store{DB: db}, logger)
	hub := rooms.NewHub(rooms.Config{Node: "n1", Store: store, Relay: rooms.NewMemory(store, store), Directory: directory, Logger: logger, Book: book})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context){directory.Run, hub.Run, book.Run} {
		running.Go(func() { run(ctx) })
	}
	f.Cleanup(func() { cancel(); running.Wait() })
	<-directory.Ready()
	for deadline := time.Now().Add(10 * time.Second); !book.Loaded(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.Fatal("the book is not loaded")
		}
	}
	return New(Config{
		Node: "n1", Store: store, Directory: directory, Records: &record.Store{DB: db}, Webhooks: &webhook.Store{DB: db}, Verifier: verifier,
		Logger: logger, Book: book, Hub: hub, Socket: http.NotFoundHandler(), Metrics: prometheus.NewRegistry(),
		TrustedProxies: prefixes("10.0.0.0/8"), Origins: origins("https://pages.test"),
	})
}

// Whatever is asked of any route, by whom and with which headers, and whatever is sent with it: the answer is one that
// openapi.yaml has, it is nobody's fault but the client's if it is refused, and a refusal is short.
func FuzzRequest(f *testing.F) {
	handler := fuzzedAPI(f)
	routes := requestRoutes()
	add := func(route, id, query, header, body string) {
		i := slices.Index(routes, route)
		if i < 0 {
			f.Fatal("there is no route ", route)
		}
		for who := range uint8(3) {
			f.Add(uint8(i), who, id, query, header, []byte(body))
		}
	}
	for i := range routes {
		f.Add(uint8(i), uint8(0), "alice", "first=1", "text/csv", []byte(`{"user":"bob","ip":"","reason":"r","seconds":1,"event":"chat","data":{"text":"hi"},"ids":["a"],"slow_seconds":1}`))
		f.Add(uint8(i), uint8(1), "%00%ff", "after=%00", "\xff", []byte("null"))
		f.Add(uint8(i), uint8(2), "a%2Fb", "%", "", []byte{})
	}
	add("POST /v1/rooms/{room}/events", "studio", "", "key 1", `{"event":"x.poll","data":[1,{"a":"\u0000"}]}`)
	add("POST /v1/rooms/{room}/events", "studio", "", "", `{"event":7,"data":`+strings.Repeat("[", 9000))
	add("POST /v1/rooms/{room}/mute", "studio", "", "", `{"user":"bob","seconds":`+strings.Repeat("9", 9000)+`}`) // all of it was in the refusal
	add("POST /v1/rooms/{room}/mute", "studio", "", "", `{"user":"bob","reason":"`+strings.Repeat("x", 300)+`"}`)
	add("POST /v1/rooms/{room}/kick", "*", "", "", `{"user":"ip:1.2.3.4"}`)
	add("POST /v1/rooms/{room}/bans", "studio", "", "", `{"user":"bob","expires_at":"1970-01-01T00:00:00Z"}`) // was a ban without an end
	add("POST /v1/rooms/{room}/bans", "*", "", "", `{"ip":"::ffff:1.2.3.4","expires_at":"9999-12-31T23:59:59-23:59"}`)
	add("POST /v1/rooms/{room}/bans", "*", "", "", `{"ip":"2001:db8::1/64","reason":"\ud800"}`)
	add("DELETE /v1/rooms/{room}/bans/{target}", "ip:2001:db8::1", "", "", "")
	add("DELETE /v1/rooms/{room}/events/{offset}", "9223372036854775808", "", "", "")
	add("PUT /v1/rooms/{room}/settings", "studio", "", "", `{"slow_seconds":1e3}`)
	add("POST /v1/webhooks", "", "", "", `{"url":"https://example.com/","events":["stream.online","\u0000"]}`)
	add("POST /v1/webhooks", "", "", "", `{"url":"https://[fe80::1%25eth0]:443/?\ud800","events":[]}`)
	add("POST /v1/webhooks/{id}/replay", "wh_1", "", "", `{"from":"0000-01-01T00:00:00+23:59","to":"9999-12-31T23:59:59-23:59","all":true}`)
	add("POST /v1/streamers/query", "", "", "", `{"ids":["alice","alice","a b"]}`)
	add("GET /v1/live/stream", "", "", "01234567-0", "")
	add("GET /v1/broadcasts", "", "first=10000", "text/csv;q=0.5, */*", "")
	add("GET /assets/{file}", "..%2findex.html", "", "", "")
	var contracts sync.Map
	f.Fuzz(func(t *testing.T, route, who uint8, id, query, header string, body []byte) {
		if len(id)+len(query)+len(header)+len(body) > 32<<10 || !sendable(header) {
			return
		}
		c, ok := contracts.Load(0)
		if !ok {
			c, _ = contracts.LoadOrStore(0, loadContract(t))
		}
		method, template, _ := strings.Cut(routes[int(route)%len(routes)], " ")
		if template == "/v1/nodes/{id}/drain" && id == "n1" {
			return // nothing could be asked of it any more
		}
		path := filled(template, id)
		to, err := url.ParseRequestURI(path)
		if err != nil || strings.ContainsAny(path, "?#") {
			return
		}
		to.RawQuery = query
		ctx, cancel := context.WithCancel(t.Context())
		cancel = sync.OnceFunc(cancel)
		defer cancel()
		if strings.HasSuffix(template, "/stream") {
			cancel() // or it would not end
		}
		r := (&http.Request{
			Method: method, URL: to, RequestURI: path, Host: "node.test", RemoteAddr: "10.0.0.1:4000", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: make(http.Header), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		}).WithContext(ctx)
		for _, name := range []string{"Accept", "Last-Event-ID", "Idempotency-Key", "X-Forwarded-For", "Origin", "Access-Control-Request-Method", "Range", "If-None-Match"} {
			r.Header.Set(name, header)
		}
		if token := tokenOf(t, who); token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		a := answer{rec.Code, rec.Header(), rec.Body.Bytes()}
		if !strings.HasPrefix(template, "/assets/") && !strings.HasPrefix(template, "/watch/") && rec.Code != http.StatusPartialContent && rec.Code != http.StatusRequestedRangeNotSatisfiable {
			c.(contract).check(t, method, template, a)
		}
		for name, values := range a.header {
			if !slices.ContainsFunc(values, sendable) {
				t.Errorf("the answer has %s: %q", name, values)
			}
		}
		if a.status >= 400 && a.header.Get("Content-Type") == "application/problem+json" {
			p := decode[Problem](t, a)
			if a.status != p.Status || p.Detail == "" || len(a.body) > maxExplained || !utf8.Valid(a.body) {
				t.Errorf("refused with %d %.3000q", a.status, a.body)
			}
		}
		if a.status >= 500 {
			t.Errorf("%s %s?%s: %d %.500s", method, path, query, a.status, a.body)
		}
	})
}

// requestRoutes are all of the contract, in an order that stays while none is added.
func requestRoutes() (routes []string) {
	var c contract
	if err := yaml.Unmarshal(openapi, &c.doc); err != nil {
		panic(err)
	}
	for path, item := range c.at(c.doc, "paths").(map[string]any) {
		for method := range item.(map[string]any) {
			if method != "parameters" && path != SocketPath {
				routes = append(routes, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(routes)
	return routes
}

// filled puts one text into all parts of a path that are parameters.
func filled(template, id string) string {
	parts := strings.Split(template, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = id
		}
	}
	return strings.Join(parts, "/")
}

// sendable reports whether a header may have the value (RFC 9110 §5.5): a server for HTTP lets no other through.
func sendable(value string) bool {
	return strings.TrimSpace(value) == value && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// tokenOf returns the token of an admin, of a viewer, or none.
func tokenOf(t *testing.T, who uint8) string {
	claims := auth.Claims{User: "eve", Expires: time.Now().Add(time.Hour)}
	switch who % 3 {
	case 0:
		claims.Scopes = []auth.Scope{auth.ScopeAdmin}
	case 1:
		claims.Grants = []auth.Grant{{Room: "*", Role: auth.RoleModerator}}
	default:
		return ""
	}
	token, err := auth.Mint(secret, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Who a request comes from is what the configured proxies say, read from the right: no other header of anybody's counts.
func FuzzForwarded(f *testing.F) {
	for _, xff := range []string{
		"", "203.0.113.9", "203.0.113.9, 10.0.0.2", "10.0.0.2", "203.0.113.9,,", "unknown", "203.0.113.9, _hidden, 10.9.9.9", "203.0.113.9:1234", "[2001:db8::1]",
		"2001:db8:2::9%eth0", "::ffff:203.0.113.9", "::ffff:10.0.0.2", "2001:db8:1::1\t,10.0.0.1", "010.0.0.1", "1.2.3", "\u00a010.0.0.2", "fe80::1%10.0.0.1",
	} {
		f.Add(xff, "198.51.100.7", "10.0.0.1:4000")
		f.Add("198.51.100.7", xff, "10.0.0.1:4000")
		f.Add(xff, "", "198.51.100.7:4000")
	}
	f.Add("203.0.113.9", "", "@")
	f.Add("203.0.113.9", "", "[::ffff:10.0.0.1]:4000")
	trusted := prefixes("10.0.0.0/8", "2001:db8:1::/48")
	var got string
	handler := New(Config{TrustedProxies: trusted, Socket: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })})
	isTrusted := func(addr netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
	f.Fuzz(func(t *testing.T, one, two, remote string) {
		peer, err := netip.ParseAddrPort(remote)
		if err != nil && remote != "@" {
			return // net/http says no other
		}
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: SocketPath}, RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {one, two}}}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		want := remote
		entries := strings.Split(one+","+two, ",")
		for hop := peer.Addr().Unmap().WithZone(""); isTrusted(hop) && len(entries) > 0; {
			last := strings.TrimSpace(entries[len(entries)-1])
			entries = entries[:len(entries)-1]
			if last == "" {
				continue
			}
			addr, err := netip.ParseAddr(last)
			if err != nil {
				break
			}
			if hop = addr.Unmap().WithZone(""); !isTrusted(hop) {
				want = netip.AddrPortFrom(hop, 0).String()
			}
		}
		if got != want {
			t.Errorf("%q and %q from %s is %s, want %s", one, two, remote, got, want)
		}
	})
}

// Whatever streamers have written: a spreadsheet gets it in the cell where it belongs, and takes none of it for a formula.
func FuzzTable(f *testing.F) {
	for _, text := range []string{"", "Chess", "=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\"=1\"", "a,b", "a\r\nb", "a\nb", "\r", " =1", "'=1", "\xff", "\x00=1", "\uff1d1"} {
		f.Add(text, "alice", int64(7))
		f.Add("", text, int64(0))
	}
	s := &server{}
	f.Fuzz(func(t *testing.T, title, name string, count int64) {
		in := Record{ID: "b1", Streamer: presence.User{ID: "alice", Name: name}, Room: "-studio", Title: title, Tags: []string{title, name}, PeakViewers: &count}
		rec := httptest.NewRecorder()
		if err := s.csv(rec, recordTable([]Record{in})); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(rec.Body).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
			t.Fatalf("%q, %v", rows, err)
		}
		for column, want := range map[string]string{"title": title, "streamer_name": name, "room": "-studio", "tags": title + " " + name} {
			want = strings.ReplaceAll(want, "\r", "") // the writer and the reader have lines in cells end as they like
			cell := rows[1][slices.Index(rows[0], column)]
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") || strings.HasPrefix(cell, "\uff1d") {
				t.Errorf("%s is %q", column, cell)
			}
			if strings.TrimPrefix(cell, "'") != want && cell != want {
				t.Errorf("%s is %q, want %q", column, cell, want)
			}
		}
	})
}

// A table is for who asks for one first, and nobody else.
func FuzzAccept(f *testing.F) {
	for _, accept := range []string{
		"", "text/csv", "TEXT/CSV", "text/csv; charset=utf-8; header=present", "text/csv, application/json", "application/json, text/csv", "*/*", "text/*",
		"text/csv;q=0", "text/csv;q=0.1, application/json", "text/csvx", "text/csv;charset=\"a,b\"", " text/csv", "text/csv;", ";", ",text/csv", "text/csv;a=1;a=2",
	} {
		f.Add(accept)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		table := wantsCSV(&http.Request{Header: http.Header{"Accept": {accept}}})
		first, _, _ := strings.Cut(accept, ",")
		kind, _, _ := strings.Cut(first, ";")
		if table && !strings.EqualFold(strings.TrimSpace(kind), "text/csv") {
			t.Errorf("%q gives a table", accept)
		}
		if !table && strings.EqualFold(first, "text/csv") {
			t.Errorf("%q gives none", accept)
		}
	})
}

// A body that can't be read is refused in few words, whatever is in it.
func FuzzBody(f *testing.F) {
	for _, body := range []string{"", "{}", "null", "[]", `{"url":7}`, `{"url":`, `{"at":"x"}`, `{"at":"1970-01-01T00:00:00+99:99"}`, `{"n":1e400}`, `{"n":` + strings.Repeat("9", 9000) + "}", "\xff", `{"list":[{}]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var into struct {
			URL  string     `json:"url"`
			N    int64      `json:"n"`
			At   *Time      `json:"at"`
			End  *time.Time `json:"end"`
			List []string   `json:"list"`
		}
		r := &http.Request{Body: io.NopCloser(bytes.NewReader(body))}
		err := readJSON(httptest.NewRecorder(), r, &into)
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge && len(body) > maxBody {
			return
		}
		if err != nil {
			wantRefusal(t, string(body), err)
		} else if !json.Valid(body) {
			t.Errorf("%q was read as %+v", body, into)
		}
	})
}
