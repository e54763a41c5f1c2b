package webhook

import (
	"bufio"
	"bytes"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"code.dny.dev/ssrf"
)

// Whatever is given as URL: it is refused in few words, or a request to it can be made, goes where a person would read that
// it goes, says nothing else on the way, and not to an address that is not for everybody.
func FuzzCheckURL(f *testing.F) {
	for _, raw := range []string{
		"https://example.com/hook?x=1", "https://example.com:8443", "https://93.184.215.14/", "http://example.com/", "https://127.0.0.1/", "https://[::1]/",
		"https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[fe80::1%25eth0]/", "https://169.254.169.254/", "ftp://example.com/", "example.com", "", "https://", "https://:443/",
		"https://a:b@example.com/", "https://@example.com/", "https://example.com/#x", "https://example.com/#", "https://example.com/\x00", "https://example.com/%00", "HTTPS://EXAMPLE.COM/", "https://example.com:99999/",
		"https://example.com:/", "https://example.com:0/", "https://exa mple.com/", "https://example.com/a b?c d", "https://example.com\\@127.0.0.1/", "https:example.com", "https:///example.com", "https://example.com/\xff", "https://ex%41mple.com/", "https://[::1", "https://example.com?\r\nX: y",
		"https://example.com/?a b", "https://%31%32%37.0.0.1/", "https://127.0.0.1./", "https://example.com/?\u00a0", "https://\u00a0/", "https://0x7f.1/",
	} {
		f.Add(raw, false)
		f.Add(raw, true)
	}
	f.Fuzz(func(t *testing.T, raw string, private bool) {
		if !utf8.ValidString(raw) {
			return // it is read from JSON
		}
		if err := CheckURL(raw, private); err != nil {
			if text := err.Error(); len(text) > 200 || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("%q is refused with %q", raw, text)
			}
			if !private && CheckURL(raw, true) != nil {
				return
			}
			if private {
				return
			}
			if addr, err := netip.ParseAddr(hostOf(t, raw)); strings.HasPrefix(strings.ToLower(raw), "https") && (err != nil || ssrf.New().SafeAddr(addr) == nil) {
				t.Errorf("%q is refused only where private addresses are not allowed, and has none", raw)
			}
			return
		}
		request, err := http.NewRequest(http.MethodPost, raw, strings.NewReader("{}"))
		if err != nil {
			t.Fatalf("%q was let through, and no request can be made: %v", raw, err)
		}
		if !private && request.URL.Scheme != "https" || request.URL.User != nil || request.URL.Hostname() == "" {
			t.Errorf("%q was let through", raw)
		}
		if addr, err := netip.ParseAddr(request.URL.Hostname()); err == nil && !private && ssrf.New().SafeAddr(addr) != nil {
			t.Errorf("%q has a private address", raw)
		}
		if port := request.URL.Port(); port != "" {
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				t.Errorf("%q has a port that nobody can be at", raw)
			}
		}
		var sent bytes.Buffer
		if err := request.Write(&sent); err != nil {
			t.Fatalf("%q was let through, and can't be sent: %v", raw, err)
		}
		read, err := http.ReadRequest(bufio.NewReader(&sent))
		if err != nil {
			t.Fatalf("%q was let through, and who is asked does not understand: %v", raw, err)
		}
		if read.RequestURI != request.URL.RequestURI() || read.Method != http.MethodPost || len(read.Header) != len(request.Header)+2 {
			t.Errorf("%q asks for %q with %v", raw, read.RequestURI, read.Header)
		}
	})
}

func hostOf(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname()
}
