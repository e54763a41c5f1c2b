package redisconn

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script that Redis runs as one atomic step.
type Script struct{ script *redis.Script }

// NewScript joins pieces of Lua into one script: scripts can't import what they share.
func NewScript(pieces ...string) *Script {
	source := ""
	for _, piece := range pieces {
		source += piece + "\n"
	}
	return &Script{redis.NewScript(source)}
}

// Call is one run of a script.
type Call struct {
	Keys []string
	Args []any
}

// Run runs a script once. If it fails without an answer, whether it ran is unknown.
func (c *Conn) Run(ctx context.Context, s *Script, keys []string, args ...any) (Reply, error) {
	value, err := s.script.Run(ctx, c.client, keys, args...).Result()
	return Reply{value}, plain(err)
}

// Outcome is what became of one call of several.
type Outcome struct {
	Reply Reply
	Err   error // without an answer, whether the script ran is unknown
}

// RunAll is RunEach for callers to whom one that failed is as good as none: it returns the first error.
func (c *Conn) RunAll(ctx context.Context, s *Script, calls []Call) ([]Reply, error) {
	outcomes := c.RunEach(ctx, s, calls)
	replies := make([]Reply, len(outcomes))
	for i, o := range outcomes {
		if o.Err != nil {
			return nil, o.Err
		}
		replies[i] = o.Reply
	}
	return replies, nil
}

// RunEach runs a script for each call, in one round trip, and returns what became of them in the order of the calls. Each
// run is atomic, all together are not.
func (c *Conn) RunEach(ctx context.Context, s *Script, calls []Call) []Outcome {
	if len(calls) == 0 {
		return nil
	}
	results := make([]*redis.Cmd, len(calls))
	_, _ = c.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each result has its own error
		for i, call := range calls {
			results[i] = s.script.EvalSha(ctx, p, call.Keys, call.Args...)
		}
		return nil
	})
	outcomes := make([]Outcome, len(calls))
	for i, result := range results {
		value, err := result.Result()
		outcomes[i] = Outcome{Reply{value}, plain(err)}
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			// A pipeline can't fall back from EVALSHA by itself, and a server that was restarted has forgotten every script.
			reply, err := c.Run(ctx, s, calls[i].Keys, calls[i].Args...)
			outcomes[i] = Outcome{reply, err}
		}
	}
	return outcomes
}

// Reply is what a script returned. Its methods panic when it is of another form than the caller expects: both are ours.
type Reply struct{ value any }

// List returns the elements of an array.
func (r Reply) List() []Reply {
	if r.value == nil {
		return nil
	}
	values, ok := r.value.([]any)
	if !ok {
		panic(fmt.Sprintf("redisconn: a script returned %T, not a list", r.value))
	}
	list := make([]Reply, len(values))
	for i, v := range values {
		list[i] = Reply{v}
	}
	return list
}

// Text returns a string; nil is the empty one.
func (r Reply) Text() string {
	switch v := r.value.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	panic(fmt.Sprintf("redisconn: a script returned %T, not a string", r.value))
}

// Texts returns the elements of an array of strings.
func (r Reply) Texts() []string {
	list := r.List()
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.Text()
	}
	return texts
}

// Int returns an integer.
func (r Reply) Int() int64 {
	v, ok := r.value.(int64)
	if !ok {
		panic(fmt.Sprintf("redisconn: a script returned %T, not an integer", r.value))
	}
	return v
}

// Fields returns an array of names and values in turn, as HGETALL gives it.
func (r Reply) Fields() map[string]string {
	flat := r.Texts()
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[flat[i]] = flat[i+1]
	}
	return fields
}
