package webhook

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCheckURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://example.com/hook?x=1": "",
		"https://example.com:8443":     "",
		"https://93.184.215.14/":       "",
		"http://example.com/":          "--webhook-allow-private",
		"https://127.0.0.1/":           "private",
		"https://10.1.2.3/":            "private",
		"https://[::1]/":               "private",
		"https://[::ffff:127.0.0.1]/":  "private",
		"https://[64:ff9b::7f00:1]/":   "private",
		"https://169.254.169.254/":     "private",
		"https://0.0.0.0/":             "private",
		"ftp://example.com/":           "https://",
		"example.com":                  "https://",
		"":                             "https://",
		"https://":                     "https://",
		"https://:443/":                "https://",
		"https://a:b@example.com/":     "password",
		"https://example.com/#x":       "#",
		"https://example.com/a b":      "",
		"https://example.com/?a b":     "%20",
		"https://example.com:0/":       "port",
		"https://example.com:65536/":   "port",
		"https://example.com/\x00":     "https://",
		"https://example.com/" + strings.Repeat("x", 2048): "2048",
	} {
		err := CheckURL(url, false)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", url, err, want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:8080/", "https://10.1.2.3/", "http://localhost/"} {
		if err := CheckURL(url, true); err != nil {
			t.Errorf("%s, where private ones are allowed: %v", url, err)
		}
	}
}

// A name that leads to a private address is found out when it is dialled: nothing
// reaches who listens there.
func TestPrivateAddresses(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	open, guarded := newClient(time.Second, true), newClient(time.Second, false)
	defer open.close()
	defer guarded.close()
	post := func(c *client, url string) outcome {
		return c.post(t.Context(), Endpoint{URL: url, Secret: newSecret()}, due{event: "evt_1", body: []byte("{}")}, time.Now())
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1"} {
		if o := post(guarded, "http://"+host+port); !strings.Contains(o.err, "--webhook-allow-private") && host != "127.1" || o.err == "" {
			t.Errorf("%s: %+v", host, o)
		}
	}
	if asked.Load() != 0 {
		t.Error("a private address was reached")
	}
	if o := post(open, server.URL); o.err != "" || asked.Load() != 1 {
		t.Errorf("where it is allowed: %+v, asked %d times", o, asked.Load())
	}
	t.Setenv("HTTP_PROXY", server.URL) // which would dial for us
	if o := post(guarded, "http://localhost"+port); o.err == "" || asked.Load() != 1 {
		t.Errorf("with a proxy: %+v, asked %d times", o, asked.Load())
	}
}
