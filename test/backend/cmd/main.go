// Backend runs a log backend of this machine's own, for demos: see test/backend.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"logging.taco/test/backend"
)

const usage = `Usage:
  backend up KIND [--address ADDRESS] [--port PORT] [--data FOLDER] [--heap SIZE]
          run a node until ^C; prints its URL when it takes documents. KIND is
          elasticsearch, opensearch or opensearch-secure, which has TLS and users.
          Without --data it forgets all at its end
  backend discard [--address ADDRESS] [--port PORT] [--inflate]
          take bulks and keep nothing until ^C; prints its URL, and at its end how
          much came (also at /_counts). --inflate counts documents in gzip too
`

// A usageError is one of the command line: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	var wrong usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "backend: %v\n%s", err, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usageError("which command?")
	}
	switch command, args := args[0], args[1:]; command {
	case "up":
		return runUp(ctx, args)
	case "discard":
		return runDiscard(ctx, args)
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	default:
		return usageError(fmt.Sprintf("there is no command %q", command))
	}
}

func runUp(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("up", flag.ContinueOnError)
	set.SetOutput(io.Discard) // main says it
	address := set.String("address", "127.0.0.1", "")
	port := set.Int("port", 0, "")
	data := set.String("data", "", "")
	heap := set.String("heap", "512m", "")
	if len(args) == 0 {
		return usageError("up: which kind?")
	}
	if err := parse(set, args[1:]); err != nil {
		return err
	}
	return backend.Serve(ctx, backend.Kind(args[0]), func(url, ca string) {
		if ca != "" {
			fmt.Fprintf(os.Stderr, "CA: %s\n", ca)
			for _, user := range []backend.User{backend.Admin, backend.Shipper} {
				fmt.Fprintf(os.Stderr, "user: %s, password: %s\n", user.Name, user.Password)
			}
		}
		fmt.Println(url)
	},
		backend.Address(*address), backend.Port(*port), backend.Data(*data), backend.Heap(*heap))
}

func runDiscard(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("discard", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	address := set.String("address", "127.0.0.1", "")
	port := set.Int("port", 0, "")
	d := &backend.Discard{}
	set.BoolVar(&d.Inflate, "inflate", false, "")
	if err := parse(set, args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(*address, strconv.Itoa(*port)))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: d}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	fmt.Printf("http://%s\n", l.Addr())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(d.Counts())
}

// parse parses flags that stand alone.
func parse(set *flag.FlagSet, args []string) error {
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError(set.Name() + ": " + err.Error())
	}
	if set.NArg() > 0 {
		return usageError(fmt.Sprintf("%s: what is %q for?", set.Name(), set.Arg(0)))
	}
	return nil
}
