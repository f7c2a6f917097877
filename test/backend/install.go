package backend

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

//go:embed java
var sources embed.FS

// A product is what a kind is made of.
type product struct {
	title   string
	maven   string   // the folder of its pom.xml
	java    string   // the Java package of its classes
	plugins []string // their classes, as well
	admin   User     // nobody where nobody is asked
	prefix  string   // of all indices in a shared node
}

var products = map[Kind]product{
	Elasticsearch: {
		title: "Elasticsearch", maven: "elasticsearch", java: "org.elasticsearch",
		plugins: []string{"org.elasticsearch.transport.Netty4Plugin", "org.elasticsearch.reindex.ReindexPlugin"},
	},
	OpenSearch: {
		title: "OpenSearch", maven: "opensearch", java: "org.opensearch",
		plugins: openSearchPlugins,
	},
}

var openSearchPlugins = []string{
	"org.opensearch.transport.Netty4Plugin", "org.opensearch.index.reindex.ReindexPlugin",
	"org.opensearch.ingest.common.IngestCommonPlugin", "org.opensearch.painless.PainlessPlugin",
}

// A missingError says what this machine lacks to run a node.
type missingError struct{ programs []string }

func (e missingError) Error() string {
	return "a log backend cannot run on this machine yet: not installed: " + strings.Join(e.programs, ", ") +
		"; on Debian: apt-get install --no-install-recommends openjdk-17-jdk-headless maven"
}

func require(programs ...string) error {
	var missing []string
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if missing != nil {
		return missingError{missing}
	}
	return nil
}

// install returns the folder with a product's jars (lib) and the compiled
// launcher (classes), which it makes if need be: some seconds and some 50 MB once
// per version, nothing later. The folder's name changes with all on which its
// content depends.
func (p product) install(ctx context.Context) (folder string, err error) {
	if err := require("java"); err != nil {
		return "", err
	}
	pom, err := sources.ReadFile("java/" + p.maven + "/pom.xml")
	if err != nil {
		return "", err
	}
	launcher, err := sources.ReadFile("java/Launcher.java")
	if err != nil {
		return "", err
	}
	launcher = []byte(strings.ReplaceAll(string(launcher), "org.elasticsearch.", p.java+"."))
	version := regexp.MustCompile(`<node\.version>(.*)</node\.version>`).FindSubmatch(pom)
	if version == nil {
		return "", fmt.Errorf("the pom.xml of %s has no node.version", p.title)
	}
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	folder = filepath.Join(cache, fmt.Sprintf("%s-%s-%.6x", p.maven, version[1], sha256.Sum256(append(pom, launcher...))))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := require("java", "javac", "mvn"); err != nil {
		return "", err
	}
	unlock, err := lock(folder + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(folder); err == nil { // by whom we waited for
		return folder, nil
	}
	fmt.Fprintf(os.Stderr, "downloading %s %s, once\n", p.title, version[1])
	// A folder of that name is one that was not finished.
	unfinished := folder + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	if err := p.download(ctx, unfinished, pom, launcher); err != nil {
		return "", fmt.Errorf("download %s: %w", p.title, err)
	}
	return folder, os.Rename(unfinished, folder)
}

func (p product) download(ctx context.Context, folder string, pom, launcher []byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range map[string][]byte{"pom.xml": pom, "Launcher.java": launcher} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	// Maven's repository of its own goes away with what only Maven needs.
	repository := filepath.Join(folder, "repository")
	defer os.RemoveAll(repository)
	if err := call(ctx, folder, "mvn", "-q", "-B", "-Dmaven.repo.local="+repository,
		"dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"); err != nil {
		return err
	}
	if err := call(ctx, folder, "javac", "-cp", "lib/*", "-d", "classes", "Launcher.java"); err != nil {
		return err
	}
	return os.RemoveAll(repository)
}

// call runs a program in a folder.
func call(ctx context.Context, folder, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = folder
	var said lastWords
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := spawn(cmd); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, said.String())
	}
	return nil
}

func cacheFolder() (string, error) {
	cache := os.Getenv("TACO_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the cache folder: %w (or set TACO_CACHE)", err)
		}
		cache = filepath.Join(user, "logging.taco")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	return filepath.Abs(cache)
}

// lock waits for a lock file, which stays: another may be waiting for it.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}
