package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tallylight/tallylight/web"
)

const (
	// answerTimeout is for an answer to begin.
	answerTimeout = 15 * time.Second
	// streamSilence is three of the pings that come every 15 s.
	streamSilence = 45 * time.Second
	// maxEvent bounds one event: the snapshot of 100,000 broadcasts has some 40 MB.
	maxEvent = 256 << 20
)

// liveClient asks a service who is live.
type liveClient struct {
	base  string
	token string
	http  *http.Client
}

func newLiveClient(base, token string) *liveClient {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTimeout
	return &liveClient{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{Transport: transport}}
}

// fatalError is one that trying again does not help against.
type fatalError struct{ error }

func (e fatalError) Unwrap() error { return e.error }

// all follows the pages of the list to its end.
func (c *liveClient) all(ctx context.Context, sort string) (web.LivePage, error) {
	whole := web.LivePage{Data: []web.Row{}}
	seen := make(map[string]bool) // a row whose viewers changed meanwhile may come twice
	query := url.Values{"first": {"100"}, "sort": {sort}}
	for {
		var page web.LivePage
		if err := c.getJSON(ctx, "/v1/live?"+query.Encode(), &page); err != nil {
			return whole, err
		}
		for _, row := range page.Data {
			if !seen[row.Broadcast] {
				seen[row.Broadcast] = true
				whole.Data = append(whole.Data, row)
			}
		}
		whole.Total, whole.Stale = page.Total, whole.Stale || page.Stale
		if page.Next == "" {
			return whole, nil
		}
		query.Set("after", page.Next)
	}
}

func (c *liveClient) getJSON(ctx context.Context, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTimeout)
	defer cancel()
	resp, err := c.get(ctx, path, "application/json", "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("--url %s: the answer can't be read: %w", c.base, err)
	}
	return nil
}

// get returns an answer of status 200 and the wanted type; the body must be
// closed.
func (c *liveClient) get(ctx context.Context, path, want, lastEvent string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, fatalError{fmt.Errorf("--url %s: %w", c.base, err)}
	}
	req.Header.Set("Accept", want)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if lastEvent != "" {
		req.Header.Set("Last-Event-ID", lastEvent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("--url %s: %w", c.base, withoutRequest(err))
	}
	if got, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); resp.StatusCode == http.StatusOK && got == want {
		return resp, nil
	}
	defer resp.Body.Close()
	var p web.Problem
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&p) // another service's answer has no code
	err = c.explain(resp.StatusCode, p)
	if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
		err = fatalError{err}
	}
	return nil, err
}

// withoutRequest drops the method and the URL that net/http puts before its
// errors.
func withoutRequest(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// serverEvent is one server-sent event.
type serverEvent struct {
	id, name string
	data     []byte
}

// follow hands over the events after lastEvent until the stream ends, and says
// why it did.
func (c *liveClient) follow(ctx context.Context, lastEvent string, connected func(), each func(serverEvent) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, err := c.get(ctx, "/v1/live/stream", "text/event-stream", lastEvent)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	connected()
	silence := time.AfterFunc(streamSilence, func() { cancel(fmt.Errorf("nothing was heard for %s", streamSilence)) })
	defer silence.Stop()
	err = readEvents(resp.Body, func() { silence.Reset(streamSilence) }, each)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// readEvents parses an event stream (HTML, section 9.2.6). heard is called for
// each line, comments included.
func readEvents(r io.Reader, heard func(), each func(serverEvent) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	var e serverEvent
	for lines.Scan() {
		heard()
		line := lines.Bytes()
		if len(line) == 0 {
			if e.data != nil {
				if err := each(e); err != nil {
					return err
				}
			}
			e = serverEvent{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			e.id = string(value)
		case "event":
			e.name = string(value)
		case "data":
			if e.data != nil {
				e.data = append(e.data, '\n')
			}
			e.data = append(e.data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errors.New("the service ended the stream")
}
