package auth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Origins are the origins of pages that may connect, see RFC 6454. The zero value has none.
type Origins []origin

// origin is one of them, or many: host may begin with "*.", port may be "*", and scheme may be "*" if all are meant.
type origin struct{ scheme, host, port string }

var anyOrigin = origin{scheme: "*"}

// ParseOrigins reads patterns: scheme://host or scheme://host:port, where the host may begin with "*." for all names below
// the rest, but not itself, and the port may be "*" for any; or "*" alone, for every page there is.
func ParseOrigins(patterns []string) (Origins, error) {
	var list Origins
	for _, p := range patterns {
		o, err := parseOrigin(p)
		if err != nil {
			return nil, fmt.Errorf("%.200q is not an origin such as https://example.com or https://*.example.com: %w", p, err)
		}
		list = append(list, o)
	}
	return list, nil
}

func parseOrigin(pattern string) (origin, error) {
	if pattern == "*" {
		return anyOrigin, nil
	}
	o, ok := splitOrigin(strings.TrimSuffix(pattern, "/"))
	if !ok {
		return origin{}, errors.New("it has a scheme, a host, perhaps a port, and nothing else")
	}
	plain, wild := strings.CutPrefix(o.host, "*.")
	switch {
	case strings.Contains(plain, "*") || o.port != "*" && strings.Contains(o.port, "*"):
		return origin{}, errors.New("* stands for the beginning of a host, or for a port")
	case wild && !strings.Contains(plain, ".") && plain != "localhost":
		return origin{}, errors.New("that is half the world")
	}
	port := o.port
	if port == "*" {
		port = "1"
	}
	if u, err := url.Parse(o.scheme + "://" + plain + ":" + port); err != nil || u.Hostname() == "" {
		return origin{}, errors.New("its host or port is none")
	}
	return o, nil
}

// splitOrigin takes an origin apart, in lower case and without the port that its scheme has anyway, as browsers send it.
func splitOrigin(text string) (o origin, ok bool) {
	scheme, rest, ok := strings.Cut(strings.ToLower(text), "://")
	if !ok || scheme == "" || rest == "" || strings.ContainsAny(rest, "/?#@\\ ") || strings.ContainsAny(scheme, ":/*") {
		return origin{}, false
	}
	o = origin{scheme: scheme, host: rest}
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, ']') {
		o.host, o.port = rest[:colon], rest[colon+1:]
	}
	if o.scheme == "https" && o.port == "443" || o.scheme == "http" && o.port == "80" {
		o.port = ""
	}
	return o, o.host != ""
}

// Allow tells whether pages of an origin may connect; it is what their browser sends as Origin.
func (list Origins) Allow(from string) bool {
	o, ok := splitOrigin(from)
	for _, allowed := range list {
		if allowed == anyOrigin || ok && allowed.allows(o) {
			return true
		}
	}
	return false
}

func (o origin) allows(from origin) bool {
	if o.scheme != from.scheme || o.port != from.port && o.port != "*" {
		return false
	}
	if suffix, wild := strings.CutPrefix(o.host, "*"); wild {
		return len(from.host) > len(suffix) && strings.HasSuffix(from.host, suffix)
	}
	return o.host == from.host
}
