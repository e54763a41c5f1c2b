package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tallylight/tallylight/web"
)

// liveCmd shows who is live.
type liveCmd struct {
	URL   string `name:"url" env:"TALLYLIGHT_URL" default:"http://localhost:8080" placeholder:"URL" help:"Address of the service."`
	Token secret `env:"TALLYLIGHT_TOKEN" placeholder:"TOKEN" help:"Token with scope directory, or @FILE; not needed where the directory is public."`
	Watch bool   `short:"w" help:"Go on and show what changes, until Ctrl-C."`
	Sort  string `enum:"viewers,started" default:"viewers" help:"Most viewers first, or latest start first."`
	JSON  bool   `name:"json" help:"Print JSON: the whole list, or with --watch one line for each change."`
}

// Validate is called by kong: what it returns is a mistake in the command line.
func (c *liveCmd) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--url: %q is not an address such as https://live.example.com", c.URL)
	}
	return nil
}

// Run prints the list once, or until the context ends.
func (c *liveCmd) Run(ctx context.Context, out io.Writer, errOut terminal) error {
	client := newLiveClient(c.URL, string(c.Token))
	var err error
	if c.Watch {
		err = watchLive(ctx, client, c.view(out), errOut)
	} else {
		err = c.once(ctx, client, out, errOut)
	}
	if ctx.Err() != nil {
		return nil // the user has seen enough
	}
	return err
}

func (c *liveCmd) once(ctx context.Context, client *liveClient, out io.Writer, errOut terminal) error {
	page, err := client.all(ctx, c.Sort)
	if err != nil {
		return err
	}
	if page.Stale {
		fmt.Fprintln(errOut, "tallylight: the service has lost touch with its store; this may be out of date")
	}
	if c.JSON {
		return json.NewEncoder(out).Encode(page)
	}
	table := liveTable{rows: page.Data, now: time.Now(), look: lookOf(out)}
	_, err = io.WriteString(out, strings.Join(table.lines(), "\n")+"\n")
	return err
}

// view returns how a change is shown: in place on a terminal, otherwise line by
// line.
func (c *liveCmd) view(out io.Writer) liveView {
	switch look := lookOf(out); {
	case c.JSON:
		return &jsonView{out: json.NewEncoder(out)}
	case look.terminal != nil:
		return &screenView{out: out, look: look, sort: c.Sort}
	default:
		return &lineView{out: out}
	}
}

// look is what the output can show.
type look struct {
	terminal *os.File // nil if it is none
	colour   bool
}

func lookOf(out io.Writer) look {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return look{}
	}
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" // no-color.org
	return look{terminal: file, colour: !plain}
}

// explain turns what the service answered into what the user can change.
func (c *liveClient) explain(status int, p web.Problem) error {
	switch {
	case p.Code == "":
		return fmt.Errorf("--url %s: the answer was %d, and not one of this service", c.base, status)
	case p.Code == "unauthorized" && c.token == "":
		return errors.New("--token is missing: the service shows who is live only to tokens with scope directory, service or admin")
	case p.Code == "unauthorized", p.Code == "forbidden":
		return fmt.Errorf("--token: %s", printable(p.Detail))
	}
	return fmt.Errorf("--url %s: %s (%s)", c.base, printable(p.Detail), printable(string(p.Code)))
}
