package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// client makes requests to endpoints, whose addresses anybody may have chosen
// who has the right token: it must not become a way into the network that this
// service stands in.
type client struct {
	http http.Client
}

const (
	// maxURL is how long an endpoint's URL may be.
	maxURL = 2048
	// maxAnswer is how many bytes of an answer are read, so that the connection
	// can be used again; nobody looks at them.
	maxAnswer = 64 << 10
	// connsPerHost is how many connections one host is held.
	connsPerHost = 16
)

// newClient returns one that reaches private addresses only if it may.
func newClient(timeout time.Duration, private bool) *client {
	dialer := &net.Dialer{Timeout: timeout}
	if !private {
		// It is asked once the name is resolved, for the address that is dialled:
		// a name that is looked up twice may have two answers.
		dialer.Control = ssrf.New(ssrf.WithAnyPort()).Safe
	}
	return &client{http.Client{
		Timeout: timeout, // all of it, the answer's body included
		Transport: &http.Transport{
			DialContext:         dialer.DialContext, // and no proxy: it would dial for us, and not ask
			TLSHandshakeTimeout: timeout, MaxConnsPerHost: connsPerHost, MaxIdleConnsPerHost: connsPerHost,
			IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// post makes one attempt. It blocks until the endpoint has answered, or the time
// is over.
func (c *client) post(ctx context.Context, e Endpoint, d due, now time.Time) outcome {
	request, err := signed(ctx, e, d, now)
	if err != nil {
		return outcome{err: err.Error()}
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return outcome{err: reasonOf(err)}
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // the status has said it all
	o := outcome{status: answer.StatusCode, gone: answer.StatusCode == http.StatusGone}
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		o.err = fmt.Sprintf("answered %d: redirects are not followed", answer.StatusCode)
	default:
		o.err = fmt.Sprintf("answered %d", answer.StatusCode)
	}
	return o
}

// signed returns the request of one attempt, with the headers of the Standard
// Webhooks scheme.
func signed(ctx context.Context, e Endpoint, d due, now time.Time) (*http.Request, error) {
	key, err := standardwebhooks.NewWebhook(e.Secret)
	if err != nil {
		return nil, err
	}
	signature, err := key.Sign(d.event, now, d.body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(d.body))
	if err != nil {
		return nil, err
	}
	h := request.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "Tallylight")
	h.Set(standardwebhooks.HeaderWebhookID, d.event)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return request, nil
}

// reasonOf says why there was no answer, without the URL, which may have a
// password in it.
func reasonOf(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		if wrapped.Timeout() {
			return "no answer in time"
		}
		err = wrapped.Err
	}
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) {
		return "its address is private or reserved, which takes --webhook-allow-private"
	}
	return err.Error()
}

// CheckURL says what is wrong with an endpoint's URL, or returns nil. private
// allows what --webhook-allow-private does. It does not look names up: where they
// lead is seen with each attempt.
func CheckURL(raw string, private bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("url must be one such as https://example.com/hooks")
	case len(raw) > maxURL:
		return fmt.Errorf("url is longer than %d bytes", maxURL)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("url must begin with https://, not %.20q", u.Scheme)
	case u.Scheme == "http" && !private:
		return errors.New("url must begin with https://; plain http takes --webhook-allow-private")
	case u.User != nil:
		return errors.New("url must not have a user or a password in it: the signature says who we are")
	case u.Fragment != "":
		return errors.New("url must not have a part after #: it would not be sent")
	case strings.Contains(u.RawQuery, " "):
		return errors.New("url must have %20 where a space is meant: it would end there")
	case !validPort(u.Port()):
		return fmt.Errorf("url has the port %.20s; there are 1 to 65535", u.Port())
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !private && ssrf.New().SafeAddr(addr) != nil {
		return fmt.Errorf("url has the address %s, which is private or reserved; that takes --webhook-allow-private", addr)
	}
	return nil
}

// validPort is for a port that may be left out.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
