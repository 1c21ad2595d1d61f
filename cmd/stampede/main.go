// Command stampede is the object store: one binary, one file per command.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line. Every option can also be given in the environment,
// as STAMPEDE_ and its name, and in the file named by --config.
type cli struct {
	Config  kong.ConfigFlag `help:"Read options from this YAML file: one key per option, by its long name." placeholder:"FILE" env:"STAMPEDE_CONFIG"`
	Server  serverCommand   `cmd:"" help:"Run everything in one process: metadata, one chunk store, S3."`
	Version versionCommand  `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// streams are where a command writes: what was asked for to Out, all else to
// Err.
type streams struct {
	Out, Err io.Writer
}

// run parses args, runs the command they name and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	exited, status := false, 0
	parser, err := kong.New(
		&c,
		kong.Name("stampede"),
		kong.Description("An S3-compatible object store in which every gateway is a master."),
		kong.Configuration(loadConfig),
		kong.DefaultEnvars("STAMPEDE"),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited, status = true, code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&streams{Out: stdout, Err: stderr}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "stampede:", err)
		return 1
	}
	command, err := parser.Parse(args)
	if exited { // --help
		return status
	}
	if err != nil {
		fmt.Fprintln(stderr, "stampede:", err)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(stderr, "stampede:", err)
		return 1
	}
	return 0
}
