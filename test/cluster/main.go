//go:build linux

// Cluster runs a single-node Kubernetes on this machine, for demos and tests:
// the real API server, kubelet, scheduler, controllers and kube-proxy, with
// containerd beneath. The node has network, mount and process namespaces of
// its own, so that it collides with nothing and leaves nothing behind; nor can
// anything in it reach beyond this machine. It is no place for work that must
// last: a restart of the machine ends it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const usage = `Usage:
  cluster up    [--name NAME] [--dns] [--install] [--foreground]
                start a cluster, or find it running; returns when it takes pods
  cluster down  [--name NAME]
                end it and remove all that it had
  cluster load  [--name NAME] IMAGE...
                give it images: FILE.tar, or TAG=BINARY[:/path/in/image]
  cluster expose [--name NAME] PORT[=ADDRESS]...
                let pods reach servers of this machine, until ^C: the node's PORT
                (10.244.0.1:PORT) leads to 127.0.0.1:PORT here, or to ADDRESS
  cluster env   [--name NAME]
                print what a shell sets to use it: eval "$(cluster env)"
  cluster image --tag TAG --out FILE.tar [--user USER] [--entrypoint PATH] [--env K=V]... BINARY[:/path/in/image]...
                make an image of static binaries
  cluster build print the folder of the Kubernetes binaries, built if need be
  cluster helm  print where the program helm is, built if need be
`

const (
	defaultName = "taco"
	defaultUser = "65532" // what images without root are run as by convention
)

// A usageError is one of the command line: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	// After ^C the context is done, and what was begun is taken back.
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	var wrong usageError
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "cluster: %v\nAll commands: cluster help\n", err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usageError("which command?")
	}
	command, args := args[0], args[1:]
	switch command {
	case "up":
		return runUp(ctx, args)
	case "down":
		return runDown(ctx, args)
	case "load":
		return runLoad(ctx, args)
	case "expose":
		return runExpose(ctx, args)
	case "env":
		return runEnv(args)
	case "image":
		return runImage(args)
	case "build":
		return runBuild(ctx, args)
	case "helm":
		return runHelm(ctx, args)
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	case holdCommand, initCommand, nodeCommand:
		if len(args) != 1 {
			return usageError(command + " is for the program's own use")
		}
		return map[string]func(string) error{holdCommand: hold, initCommand: runInit, nodeCommand: runNode}[command](args[0])
	}
	return usageError(fmt.Sprintf("there is no command %q", command))
}

// options are the flags of a command; the name is common to most.
type options struct {
	*flag.FlagSet
	name *string
}

func newOptions(command string) options {
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard) // main says it
	return options{set, set.String("name", defaultName, "")}
}

// parse parses the arguments, of which at least some and at most so many are no flags.
func (o options) parse(args []string, least, most int) error {
	if err := o.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError(o.Name() + ": " + err.Error())
	}
	if o.NArg() < least {
		return usageError(o.Name() + ": an argument is missing")
	}
	if o.NArg() > most {
		return usageError(fmt.Sprintf("%s: what is %q for?", o.Name(), o.Arg(most)))
	}
	return nil
}

const many = 1 << 20

func runUp(ctx context.Context, args []string) error {
	o := newOptions("up")
	dns := o.Bool("dns", false, "")
	install := o.Bool("install", false, "")
	foreground := o.Bool("foreground", false, "")
	if err := o.parse(args, 0, 0); err != nil {
		return err
	}
	c, err := locate(*o.name)
	if err != nil {
		return err
	}
	if err := require(ctx, *install); err != nil {
		return err
	}
	if c.Bin, err = built(ctx, kubernetes); err != nil {
		return err
	}
	if *dns {
		bin, err := built(ctx, coreDNS)
		if err != nil {
			return err
		}
		c.DNS = filepath.Join(bin, "coredns")
	}
	c.CNI = findCNI()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "cluster "+c.Name+": "+format+"\n", args...)
	}
	if err := c.up(ctx, say); err != nil {
		return fmt.Errorf("start cluster %s: %w", c.Name, err)
	}
	if !*foreground {
		return nil
	}
	say("running until ^C")
	if err := c.stay(ctx); err != nil {
		return err
	}
	_, err = c.down(context.WithoutCancel(ctx))
	return err
}

func runDown(ctx context.Context, args []string) error {
	o := newOptions("down")
	if err := o.parse(args, 0, 0); err != nil {
		return err
	}
	c, err := locate(*o.name)
	if err != nil {
		return err
	}
	if err := requireRoot("down"); err != nil {
		return err
	}
	was, err := c.down(ctx)
	if err != nil {
		return fmt.Errorf("end cluster %s: %w", c.Name, err)
	}
	if was {
		fmt.Fprintf(os.Stderr, "cluster %s: ended and removed\n", c.Name)
	} else {
		fmt.Fprintf(os.Stderr, "cluster %s: not running\n", c.Name)
	}
	return nil
}

func runLoad(ctx context.Context, args []string) error {
	o := newOptions("load")
	if err := o.parse(args, 1, many); err != nil {
		return err
	}
	c, err := running(*o.name)
	if err != nil {
		return err
	}
	if err := requireRoot("load"); err != nil {
		return err
	}
	for _, spec := range o.Args() {
		if err := c.loadImage(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

func runExpose(ctx context.Context, args []string) error {
	o := newOptions("expose")
	if err := o.parse(args, 1, many); err != nil {
		return err
	}
	c, err := running(*o.name)
	if err != nil {
		return err
	}
	if err := requireRoot("expose"); err != nil {
		return err
	}
	return c.expose(ctx, o.Args(), func() {
		fmt.Fprintf(os.Stderr, "cluster %s: pods reach %s on %s\n", c.Name, strings.Join(o.Args(), ", "), nodeIP)
	})
}

func runEnv(args []string) error {
	o := newOptions("env")
	if err := o.parse(args, 0, 0); err != nil {
		return err
	}
	c, err := running(*o.name)
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\nexport PATH=%s:\"$PATH\"\nexport KUBEBUILDER_ASSETS=%s\n", quote(c.kubeconfig()), quote(c.Bin), quote(c.Bin))
	return nil
}

// quote makes a word of a shell command, without quotes where none are needed.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func runImage(args []string) error {
	o := newOptions("image")
	i := image{files: map[string]string{}}
	o.StringVar(&i.tag, "tag", "", "")
	o.StringVar(&i.user, "user", defaultUser, "")
	out := o.String("out", "", "")
	o.Func("entrypoint", "", func(s string) error { i.entrypoint = []string{s}; return nil })
	o.Func("env", "", func(s string) error {
		if !strings.Contains(s, "=") {
			return errors.New("want K=V")
		}
		i.env = append(i.env, s)
		return nil
	})
	if err := o.parse(args, 1, many); err != nil {
		return err
	}
	if i.tag == "" || *out == "" {
		return usageError("image: --tag and --out are needed")
	}
	for _, spec := range o.Args() {
		if err := i.parseBinary(spec); err != nil {
			return err
		}
	}
	return i.write(*out)
}

func runBuild(ctx context.Context, args []string) error {
	o := newOptions("build")
	if err := o.parse(args, 0, 0); err != nil {
		return err
	}
	bin, err := built(ctx, kubernetes)
	if err != nil {
		return err
	}
	fmt.Println(bin)
	return nil
}

func runHelm(ctx context.Context, args []string) error {
	o := newOptions("helm")
	if err := o.parse(args, 0, 0); err != nil {
		return err
	}
	bin, err := built(ctx, helm)
	if err != nil {
		return err
	}
	fmt.Println(filepath.Join(bin, "helm"))
	return nil
}

// built returns the folder of programs, which it builds if need be.
func built(ctx context.Context, find func() (binaries, error)) (bin string, err error) {
	b, err := find()
	if err != nil {
		return "", err
	}
	return b.bin(), b.build(ctx, newProgress(os.Stderr))
}
