// Command injector gives annotated pods a sidecar that delivers their log files:
// as an admission webhook (serve), or offline on manifests (inject, uninject,
// explain). All of them call package inject, so that what explain says is what
// the webhook does.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// version is set by the linker; without it the build's own information counts.
var version string

const usage = `usage: %[1]s COMMAND [flags]

  serve     the admission webhook
  inject    give the pods in manifests their sidecars
  uninject  take out exactly what inject put in
  explain   say what inject would do, and why; exit 1 where a pod would be denied
  version   print the version

%[1]s COMMAND -h lists a command's flags.
`

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // a pod is denied, a manifest cannot be read or changed
	exitUsage  = 2 // wrong flags or profile
)

func main() { os.Exit(run(programName(os.Args[0]), os.Args[1:])) }

// programName is what people call the program: by a link named kubectl-taco it
// is a plugin, kubectl taco.
func programName(path string) string {
	name := filepath.Base(path)
	if plugin, ok := strings.CutPrefix(name, "kubectl-"); ok {
		return "kubectl " + plugin
	}
	return "injector"
}

func run(program string, args []string) int {
	if len(args) == 0 {
		fmt.Fprintf(os.Stderr, usage, program)
		return exitUsage
	}
	command, args := args[0], args[1:]
	if os.Getenv("GOGC") == "" {
		percent := 400 // a short run has memory to spare, and its user waits
		if command == "serve" {
			percent = 250 // an admission that meets a collection waits a millisecond more
		}
		debug.SetGCPercent(percent)
	}
	offline := offline{
		program: program, in: os.Stdin, out: os.Stdout, err: os.Stderr,
		outColours: coloured(os.Stdout), errColours: coloured(os.Stderr),
	}
	switch command {
	case "serve":
		return serve(args)
	case "inject":
		return offline.inject(args)
	case "uninject":
		return offline.uninject(args)
	case "explain":
		return offline.explain(args)
	case "version", "--version", "-version":
		fmt.Println(versionText())
		return exitOK
	case "help", "--help", "-help", "-h":
		fmt.Printf(usage, program)
		return exitOK
	}
	fmt.Fprintf(os.Stderr, "%s: no command %q\n\n", program, command)
	fmt.Fprintf(os.Stderr, usage, program)
	return exitUsage
}

// versionText is the version that was linked in, or else what the build says of
// its module and revision.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && text == "(devel)" {
			text += " " + s.Value
		}
	}
	return text
}
