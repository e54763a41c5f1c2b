// Command tallylight serves presence and signalling for live streams, and
// carries the tools to work with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// cli is the command line. Every flag also has an environment variable:
// TALLYLIGHT_ and its name; only what "migrate down" is told has none.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run a node."`
	Token   tokenCmd   `cmd:"" help:"Mint or check a token."`
	Live    liveCmd    `cmd:"" help:"Show who is live."`
	Migrate migrateCmd `cmd:"" help:"Bring the database's schema up to date, or back, or say how it stands. Nodes do the first by themselves at start, unless they are told not to."`
	Bench   benchCmd   `cmd:"" help:"Put nodes under load, and measure what it costs and whether all that was published arrives."`
}

func main() {
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// usageError is a mistake on the command line that the parser could not see.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// execute runs one command line and returns the process's exit code.
func execute(args []string, out, errOut io.Writer) int {
	var c cli
	helped := false
	parser, err := kong.New(&c,
		kong.Name("tallylight"),
		kong.Description("Presence and signalling for live streams: who is live right now, on every node, within seconds of the truth."),
		kong.DefaultEnvars("TALLYLIGHT"),
		kong.Writers(out, errOut),
		kong.Exit(func(int) { helped = true }), // only --help asks for it
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return fail(errOut, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		return fail(errOut, usageError{err})
	}
	life, release := signals()
	defer release()
	ctx.BindTo(life.stop, (*context.Context)(nil))
	ctx.BindTo(out, (*io.Writer)(nil))
	return fail(errOut, ctx.Run(life, terminal{errOut}))
}

// terminal is where a command says what is not its result.
type terminal struct{ io.Writer }

// lifetime is how long a command may run: stop ends with the first SIGINT or
// SIGTERM, halt with the second.
type lifetime struct{ stop, halt context.Context }

// signals listens for signals until it is released.
func signals() (lifetime, func()) {
	stop, stopNow := context.WithCancel(context.Background())
	halt, haltNow := context.WithCancel(context.Background())
	received := make(chan os.Signal, 2)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM)
	released := make(chan struct{})
	go func() {
		for _, end := range []func(){stopNow, haltNow} {
			select {
			case <-received:
				end()
			case <-released:
				return
			}
		}
	}()
	return lifetime{stop, halt}, func() {
		signal.Stop(received)
		close(released)
		stopNow()
		haltNow()
	}
}

// fail says in one line what went wrong and returns the exit code for it.
func fail(errOut io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(errOut, "tallylight: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}
