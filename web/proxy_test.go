package web

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(list ...string) []netip.Prefix {
	var parsed []netip.Prefix
	for _, p := range list {
		parsed = append(parsed, netip.MustParsePrefix(p))
	}
	return parsed
}

func TestClientAddr(t *testing.T) {
	proxies := []string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8:1::/48", "fe80::/64"}
	for _, tt := range []struct {
		name    string
		trusted []string
		peer    string
		xff     []string // one header line each
		want    string
	}{
		{"no proxies are configured", nil, "10.0.0.1:4000", []string{"203.0.113.9"}, "10.0.0.1:4000"},
		{"spoofed by an untrusted peer", proxies, "198.51.100.7:4000", []string{"203.0.113.9"}, "198.51.100.7:4000"},
		{"spoofed by an untrusted IPv6 peer", proxies, "[2001:db8:2::7]:4000", []string{"203.0.113.9"}, "[2001:db8:2::7]:4000"},
		{"an untrusted peer that names a proxy", proxies, "198.51.100.7:4000", []string{"10.0.0.1"}, "198.51.100.7:4000"},
		{"no header from an untrusted peer", proxies, "198.51.100.7:4000", nil, "198.51.100.7:4000"},

		{"one hop", proxies, "10.0.0.1:4000", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"a proxy that is one address", proxies, "192.0.2.1:4000", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"its neighbour", proxies, "192.0.2.2:4000", []string{"203.0.113.9"}, "192.0.2.2:4000"},
		{"several hops", proxies, "10.0.0.1:4000", []string{"203.0.113.9, 192.0.2.1,10.9.9.9"}, "203.0.113.9:0"},
		{"several lines", proxies, "10.0.0.1:4000", []string{"203.0.113.9", "192.0.2.1", "10.9.9.9"}, "203.0.113.9:0"},
		{"several lines of several hops", proxies, "10.0.0.1:4000", []string{"198.51.100.7, 203.0.113.9", "192.0.2.1, 10.9.9.9"}, "203.0.113.9:0"},
		{"a client that names another", proxies, "10.0.0.1:4000", []string{"198.51.100.7, 203.0.113.9"}, "203.0.113.9:0"},
		{"a client that names another in a line of its own", proxies, "10.0.0.1:4000", []string{"198.51.100.7", "203.0.113.9"}, "203.0.113.9:0"},
		{"a client that names a proxy", proxies, "10.0.0.1:4000", []string{"10.0.0.2, 203.0.113.9"}, "203.0.113.9:0"},
		{"an unknown proxy counts as the client", proxies, "10.0.0.1:4000", []string{"203.0.113.9, 198.51.100.7, 10.9.9.9"}, "198.51.100.7:0"},

		{"no header", proxies, "10.0.0.1:4000", nil, "10.0.0.1:4000"},
		{"an empty header", proxies, "10.0.0.1:4000", []string{""}, "10.0.0.1:4000"},
		{"nothing but commas", proxies, "10.0.0.1:4000", []string{" , ,"}, "10.0.0.1:4000"},
		{"empty entries", proxies, "10.0.0.1:4000", []string{"203.0.113.9, ,", ""}, "203.0.113.9:0"},
		{"nothing but proxies", proxies, "10.0.0.1:4000", []string{"10.0.0.2, 192.0.2.1"}, "10.0.0.1:4000"},
		{"garbage", proxies, "10.0.0.1:4000", []string{"unknown"}, "10.0.0.1:4000"},
		{"garbage from a proxy", proxies, "10.0.0.1:4000", []string{"203.0.113.9, _hidden"}, "10.0.0.1:4000"},
		{"garbage between proxies", proxies, "10.0.0.1:4000", []string{"203.0.113.9, 300.1.1.1, 10.9.9.9"}, "10.0.0.1:4000"},
		{"garbage from the client", proxies, "10.0.0.1:4000", []string{"' or 1=1 --, 203.0.113.9"}, "203.0.113.9:0"},
		{"an address with a port", proxies, "10.0.0.1:4000", []string{"203.0.113.9:1234"}, "10.0.0.1:4000"},

		{"an IPv6 client", proxies, "10.0.0.1:4000", []string{"2001:db8:2::9"}, "[2001:db8:2::9]:0"},
		{"an IPv6 client in long form", proxies, "10.0.0.1:4000", []string{"2001:0DB8:0002:0:0:0:0:9"}, "[2001:db8:2::9]:0"},
		{"an IPv6 proxy", proxies, "[2001:db8:1::1]:4000", []string{"203.0.113.9, 2001:db8:1::2"}, "203.0.113.9:0"},
		{"a link-local proxy", proxies, "[fe80::1%eth0]:4000", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"a link-local client", proxies, "[fe80:1::1%eth0]:4000", []string{"203.0.113.9"}, "[fe80:1::1%eth0]:4000"},
		{"a zone in the header", proxies, "10.0.0.1:4000", []string{"2001:db8:2::9%eth0"}, "[2001:db8:2::9]:0"},
		{"a mapped client", proxies, "10.0.0.1:4000", []string{"::ffff:203.0.113.9"}, "203.0.113.9:0"},
		{"a mapped peer", proxies, "[::ffff:10.0.0.1]:4000", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"a mapped hop", proxies, "10.0.0.1:4000", []string{"203.0.113.9, ::ffff:10.9.9.9"}, "203.0.113.9:0"},
		{"a mapped peer that is none", proxies, "[::ffff:198.51.100.7]:4000", []string{"203.0.113.9"}, "[::ffff:198.51.100.7]:4000"},
		{"proxies given as mapped", []string{"::ffff:10.0.0.0/104"}, "10.0.0.1:4000", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"outside of proxies given as mapped", []string{"::ffff:10.0.0.0/104"}, "11.0.0.1:4000", []string{"203.0.113.9"}, "11.0.0.1:4000"},
		{"all of IPv6 is not IPv4", []string{"::/0"}, "10.0.0.1:4000", []string{"203.0.113.9"}, "10.0.0.1:4000"},
		{"everybody", []string{"0.0.0.0/0", "::/0"}, "10.0.0.1:4000", []string{"203.0.113.9"}, "10.0.0.1:4000"},

		{"a socket file", proxies, "@", []string{"203.0.113.9"}, "@"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			var got string
			handler := New(Config{TrustedProxies: prefixes(tt.trusted...), Socket: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.RemoteAddr
				if w != http.ResponseWriter(rec) {
					t.Errorf("the socket got a %T around its connection", w)
				}
			})})
			req := httptest.NewRequest("GET", "/v1/ws", nil)
			req.RemoteAddr = tt.peer
			for _, line := range tt.xff {
				req.Header.Add("X-Forwarded-For", line)
			}
			for _, name := range []string{"X-Real-Ip", "True-Client-Ip", "Forwarded"} { // those we never promised to read
				req.Header.Set(name, "for=192.0.2.99")
			}
			handler.ServeHTTP(rec, req)
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if req.RemoteAddr != tt.peer {
				t.Errorf("the request that was given is changed to %s", req.RemoteAddr)
			}
			if _, _, err := net.SplitHostPort(got); err != nil && tt.peer != "@" {
				t.Errorf("got %s, which nobody can take apart: %v", got, err)
			}
		})
	}
}

// Whatever answers, the log names the client and not the proxy.
func TestLogsNameTheClient(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		handler := New(w.cfg)
		for _, tt := range []struct{ method, path, line string }{
			{"GET", "/healthz", "path=/healthz"},
			{"GET", "/v1/live", "web: token refused"},
			{"GET", "/nothing", "path=/nothing"},
			{"POST", "/v1/live", "method=POST path=/v1/live"},
		} {
			req := httptest.NewRequest(tt.method, tt.path, nil)
			req.RemoteAddr = "10.0.0.1:4000"
			req.Header.Set("X-Forwarded-For", "203.0.113.9")
			req.Header.Set("Authorization", "Bearer nonsense")
			before := len(w.log.String())
			handler.ServeHTTP(httptest.NewRecorder(), req)
			log := w.log.String()[before:]
			found := false
			for line := range strings.Lines(log) {
				found = found || strings.Contains(line, tt.line) && strings.Contains(line, "remote=203.0.113.9:0")
			}
			if !found || strings.Contains(log, "10.0.0.1") {
				t.Errorf("%s %s: got log\n%s", tt.method, tt.path, log)
			}
		}
	}, func(c *Config) { c.TrustedProxies = prefixes("10.0.0.0/8") })
}
