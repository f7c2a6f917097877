// Command sidecar follows log files and delivers their lines.
//
// In a pod it is put beside the container that writes the files, by the
// injector; on any machine `sidecar stream FILE…` shows what it would do.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"logging.taco/sidecar/config"
)

// version is set by the linker; else the build's own word is taken.
var version string

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUndelivered = 3
)

const usage = `sidecar follows log files and delivers their lines.

  sidecar stream [flags] PATH...    files to stdout; PATH is a file or a glob (*, ?, [...], **), existing or not
  sidecar ship --to URL [flags] PATH...   files to Elasticsearch or OpenSearch
  sidecar run [--config FILE]       what an injected container runs; without FILE the YAML in $TACO_CONFIG
  sidecar check [--config FILE]     validate and explain a config; exit 0 or 2
  sidecar version

"sidecar COMMAND --help" lists a command's flags.
Exit status: 0 all delivered; 1 failed; 2 wrong use or config; 3 stopped with undelivered bytes.
`

func main() {
	// The work is one loop's: more threads would only pass it between them.
	runtime.GOMAXPROCS(1)
	// A small heap that is collected often: memory counts more here than CPU.
	debug.SetGCPercent(50)
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	switch name, rest := args[0], args[1:]; name {
	case "stream":
		return stream(rest)
	case "ship":
		return ship(rest)
	case "run":
		return run(rest)
	case "check":
		return check(rest)
	case "version", "--version":
		fmt.Println("sidecar", buildVersion())
		return exitOK
	case "help", "--help", "-h":
		fmt.Print(usage)
		return exitOK
	default:
		fmt.Fprintf(os.Stderr, "sidecar: %q is not a command\n\n%s", name, usage)
		return exitUsage
	}
}

// stream takes everything from flags.
func stream(args []string) int {
	return fromFlags("stream", args, func(fs *flag.FlagSet, c *config.Config, src *config.Source) {
		fs.Func("emit", "the line as it is, after its file's path, or as an object: `raw|prefix|json` (default raw)", func(s string) error {
			src.Emit = config.Emit(s)
			return nil
		})
	})
}

// ship takes everything from flags, but for credentials.
func ship(args []string) int {
	return fromFlags("ship", args, shipFlags)
}

// fromFlags runs a command whose config is made of flags; own adds the
// command's own ones.
func fromFlags(command string, args []string, own func(*flag.FlagSet, *config.Config, *config.Source)) int {
	c := config.Default()
	var src config.Source
	once := false
	fs := newFlags(command, "[flags] PATH...")
	commonFlags(fs, &c, &src, &once)
	own(fs, &c, &src)
	paths, status := parseFlags(fs, args)
	if status >= 0 {
		return status
	}
	if len(paths) == 0 {
		return misuse(fs, errors.New("at least one PATH is needed"))
	}
	if command == "ship" && !c.Ships() {
		return misuse(fs, errors.New("--to is needed: the backend's address, such as http://elasticsearch:9200"))
	}
	// A person at a shell may name files from where they stand.
	for _, p := range paths {
		if p != "" {
			p, _ = filepath.Abs(p)
		}
		src.Paths = append(src.Paths, p)
	}
	for _, p := range []*string{&c.State, &c.Pod, &c.Output.Credentials, &c.Output.DeadLetter} {
		if *p != "" {
			*p, _ = filepath.Abs(*p)
		}
	}
	c.Sources = []config.Source{src}
	if err := c.Validate(); err != nil {
		return misuse(fs, plainField(err))
	}
	return serve(c, once)
}

// plainField drops the place in a document from an error about a flag.
func plainField(err error) error {
	var at *config.FieldError
	if errors.As(err, &at) && at.Key == "paths" {
		return fmt.Errorf("PATH %q: %s", at.Value, at.Reason)
	} else if at != nil {
		return fmt.Errorf("--%s %q: %s", strings.TrimPrefix(at.Key, "output."), at.Value, at.Reason)
	}
	return err
}

// run takes everything from the config.
func run(args []string) int {
	c, status := configured("run", args, func(*flag.FlagSet) {})
	if status >= 0 {
		return status
	}
	return serve(c, false)
}

// configured reads the config that --config or the environment names. A
// status of 0 or more ends the program. own adds the command's own flags.
func configured(name string, args []string, own func(*flag.FlagSet)) (config.Config, int) {
	fs := newFlags(name, "[--config FILE]")
	own(fs)
	file := fs.String("config", "", "`FILE` with the YAML config, - for standard input (default the YAML in $TACO_CONFIG)")
	rest, status := parseFlags(fs, args)
	if status >= 0 {
		return config.Config{}, status
	}
	if len(rest) > 0 {
		return config.Config{}, misuse(fs, fmt.Errorf("%q: no argument is expected", rest[0]))
	}
	var c config.Config
	var err error
	switch text, set := os.LookupEnv("TACO_CONFIG"); {
	case *file != "":
		c, err = config.Load(*file)
	case set:
		c, err = config.Decode("$TACO_CONFIG", []byte(text))
	default:
		err = errors.New("there is no config: name one with --config, or put its YAML into $TACO_CONFIG")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "sidecar %s: %v\n", name, err)
		return c, exitUsage
	}
	return c, -1
}

func newFlags(command, args string) *flag.FlagSet {
	fs := flag.NewFlagSet(command, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: sidecar %s %s\n", command, args)
		fs.VisitAll(func(f *flag.Flag) {
			arg, text := flag.UnquoteUsage(f)
			if f.DefValue != "" && f.DefValue != "false" && !strings.Contains(text, "(default") {
				text += " (default " + f.DefValue + ")"
			}
			fmt.Fprintf(fs.Output(), "  --%-24s %s\n", strings.TrimSpace(f.Name+" "+arg), text)
		})
	}
	return fs
}

// parseFlags takes flags before, between and after the other arguments, up to "--".
// A status of 0 or more ends the program.
func parseFlags(fs *flag.FlagSet, args []string) (rest []string, status int) {
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(os.Stdout)
			fs.Usage()
			return nil, exitOK
		}
		if err != nil {
			return nil, misuse(fs, err)
		}
		left := fs.Args()
		if len(left) == 0 {
			return rest, -1
		}
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" {
			return append(rest, left...), -1
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

func misuse(fs *flag.FlagSet, err error) int {
	fmt.Fprintf(os.Stderr, "sidecar %s: %v\n", fs.Name(), err)
	fs.SetOutput(os.Stderr)
	fs.Usage()
	return exitUsage
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "unknown"
}
