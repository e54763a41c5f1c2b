// Command bare serves the least that "tallylight bench" can be run against, to compare a node with. It is a tool for who
// measures and no part of what is shipped.
package main

import (
	"net"
	"net/http"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tallylight/tallylight/internal/bare"
)

type cli struct {
	Listen string `default:"127.0.0.1:8090" placeholder:"ADDRESS" help:"Address to serve on."`
	Plain  bool   `help:"Leave net/http's buffers of 4 KiB and its goroutine as they are."`
}

func main() {
	var c cli
	ctx := kong.Parse(&c, kong.Name("bare"), kong.Description("A bare WebSocket server that answers what \"tallylight bench\" sends."))
	listener, err := net.Listen("tcp", c.Listen)
	ctx.FatalIfErrorf(err)
	ctx.Printf("serving on %s", listener.Addr())
	server := &http.Server{Handler: &bare.Server{Plain: c.Plain}, ReadHeaderTimeout: 10 * time.Second}
	ctx.FatalIfErrorf(server.Serve(listener))
}
