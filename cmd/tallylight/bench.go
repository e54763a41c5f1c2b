package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/tallylight/tallylight/internal/bench"
)

// benchCmd puts nodes under load, so that anybody can check what is said of them.
type benchCmd struct {
	URL    []string `name:"url" env:"TALLYLIGHT_URL" default:"ws://localhost:8080" placeholder:"URL" help:"Address of a node; repeated for several, which get the connections in turn."`
	Source []string `placeholder:"ADDRESS" help:"Addresses of this machine to connect from, in turn. One has some 28,000 free ports; Linux takes all of 127.0.0.2, 127.0.0.3, …"`

	JWTSecret secret   `name:"jwt-secret" env:"TALLYLIGHT_JWT_SECRET" required:"" placeholder:"SECRET" help:"The nodes' secret, or @FILE: every connection has a user and a token of its own."`
	Issuer    string   `name:"jwt-issuer" env:"TALLYLIGHT_JWT_ISSUER" placeholder:"NAME" help:"The tokens' iss."`
	Audience  []string `name:"jwt-audience" env:"TALLYLIGHT_JWT_AUDIENCE" placeholder:"NAME" help:"The tokens' aud."`

	Streamers int `default:"1" help:"Streamers, who go live. A room has one; those beyond the number of rooms come as moderators."`
	Viewers   int `default:"100" help:"Viewers, spread evenly over the rooms."`
	Rooms     int `default:"1" help:"Rooms; their names are new each time."`

	ConnectRate float64       `default:"500" help:"Connections a second; 0: as fast as it goes, 64 at a time. That is also how to compare what connecting costs: at a slow rate waking up is most of it."`
	Settle      time.Duration `default:"0s" help:"How long to wait once all have joined."`
	Idle        time.Duration `default:"0s" help:"How long to measure what it costs that all are just there."`
	Rate        float64       `default:"5" help:"Events a second to publish in each room. A node takes 50 messages a second from a connection: with more than 40, moderators come to help, one for each 40."`
	For         time.Duration `default:"10s" help:"How long to publish."`
	Size        int           `default:"100" help:"Bytes of data in what is published, 32 to 8192."`
	Stall       int           `default:"0" placeholder:"N" help:"Viewers who stop reading when publishing begins, to see what becomes of them and of everybody else. Large and many events (--size, --rate) make it soon."`
	Churn       float64       `default:"0" placeholder:"N" help:"Viewers a second who are cut off at random while something is published, and come back with what they missed."`
	Away        time.Duration `default:"1m" help:"How long at most they are away."`
	Reconnect   bool          `help:"At the end, drop all viewers at once and see them back, with what they missed."`

	Pid  []int `placeholder:"PID" help:"Process to measure (Linux): a node, its Redis. Repeated for several; what each used is divided by all connections or deliveries."`
	JSON bool  `name:"json" help:"Print JSON."`
}

// Run measures until all is measured or the context ends, and prints what was. It fails if anything was lost, came twice
// or did not come at all.
func (c *benchCmd) Run(ctx context.Context, out io.Writer, errOut terminal) error {
	cfg := c.config()
	if err := cfg.Check(); err != nil {
		return usageError{err}
	}
	progress := newProgress(errOut.Writer)
	cfg.Progress = progress.tell
	report, err := bench.Run(ctx, cfg)
	progress.end()
	if report.Connect == nil || report.Connect.Joined == 0 && err != nil {
		return err // nothing was measured
	}
	if printed := c.print(out, report); printed != nil {
		return printed
	}
	if err != nil {
		return err
	}
	return report.Broken()
}

func (c *benchCmd) print(out io.Writer, report bench.Report) error {
	if !c.JSON {
		return report.Print(out)
	}
	return json.NewEncoder(out).Encode(report)
}

func (c *benchCmd) config() bench.Config {
	return bench.Config{
		URLs: c.URL, Sources: c.Source,
		Secret: string(c.JWTSecret), Issuer: c.Issuer, Audience: c.Audience,
		Streamers: c.Streamers, Viewers: c.Viewers, Rooms: c.Rooms,
		ConnectRate: c.ConnectRate, Settle: c.Settle, Idle: c.Idle, Rate: c.Rate, For: c.For, Size: c.Size,
		Stall: c.Stall, Churn: c.Churn, Away: c.Away, Reconnect: c.Reconnect,
		Pids: slices.Compact(slices.Sorted(slices.Values(c.Pid))),
	}
}
