package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// asker asks for lists. A connection is not kept: the node may be another by the next time.
var asker = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// poll asks a node who is live, again and again, past everything that is cut.
func (r *run) poll(ctx context.Context, n *node) {
	for sleep(ctx, 700*time.Millisecond) {
		p := Poll{Ready: n.status("/readyz") == http.StatusOK}
		rows, stale, err := n.live(ctx)
		p.At, p.OK, p.Stale = r.now(), err == nil, stale
		if p.Ready && n.status("/readyz") != http.StatusOK {
			p.Ready = false // it has come to know meanwhile
		}
		r.rec.poll(n.name, p, rows)
	}
}

// live returns the whole list.
func (n *node) live(ctx context.Context) (rows []Row, stale bool, err error) {
	for after := ""; ; {
		var page struct {
			Data  []Row  `json:"data"`
			Next  string `json:"next"`
			Stale bool   `json:"stale"`
		}
		if err := n.get(ctx, "/v1/live?first=100&sort=started&after="+url.QueryEscape(after), &page); err != nil {
			return nil, false, err
		}
		rows, stale = append(rows, page.Data...), stale || page.Stale
		if after = page.Next; after == "" {
			return rows, stale, nil
		}
	}
}

func (n *node) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr+path, nil)
	if err != nil {
		return err
	}
	response, err := asker.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says %d", path, response.StatusCode)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
