package backend

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

//go:embed java
var sources embed.FS

// A missingError says what this machine lacks to run a node.
type missingError struct{ programs []string }

func (e missingError) Error() string {
	return "a log backend cannot run on this machine yet: not installed: " + strings.Join(e.programs, ", ") +
		"; on Debian: apt-get install --no-install-recommends openjdk-17-jdk-headless maven (or a newer JDK)"
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

// install returns the folder with a product's jars and the compiled launcher,
// which it makes if need be: half a minute and 100 to 150 MB once per version,
// nothing later. The folder's name changes with all on which its content depends.
func (p product) install(ctx context.Context) (folder string, err error) {
	if err := require("java"); err != nil {
		return "", err
	}
	pom, err := sources.ReadFile("java/" + string(p.kind) + "/pom.xml")
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
		return "", fmt.Errorf("java/%s/pom.xml has no node.version", p.kind)
	}
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%q\n", pom, launcher, p.plugins)
	folder = filepath.Join(cache, fmt.Sprintf("%s-%s-%.6x", p.kind, version[1], sum.Sum(nil)))
	complete := filepath.Join(folder, "complete")
	if _, err := os.Stat(complete); err == nil {
		return folder, nil
	}
	if err := require("java", "javac", "jar", "mvn"); err != nil {
		return "", err
	}
	unlock, err := lock(folder + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(complete); err == nil { // by whom we waited for
		return folder, nil
	}
	fmt.Fprintf(os.Stderr, "downloading %s %s, once\n", p.title, version[1])
	if err := os.RemoveAll(folder); err != nil { // had another one been interrupted
		return "", err
	}
	if err := p.download(ctx, folder, pom, launcher); err != nil {
		return "", fmt.Errorf("download %s: %w", p.title, err)
	}
	if err := p.rehearse(ctx, folder); err != nil {
		return "", fmt.Errorf("start %s for the first time: %w", p.title, err)
	}
	return folder, os.WriteFile(complete, nil, 0o644)
}

// download fills lib with jars and compiles the launcher into one.
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
	zips, err := filepath.Glob(filepath.Join(folder, "lib", "*.zip"))
	if err != nil {
		return err
	}
	for _, name := range zips {
		if err := unpackPlugin(name); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	if err := call(ctx, folder, "javac", "-cp", "lib/*", "-d", "classes", "Launcher.java"); err != nil {
		return err
	}
	return call(ctx, folder, "jar", "-c", "-f", "launcher.jar", "-C", "classes", ".")
}

var jarVersion = regexp.MustCompile(`-[0-9].*`)

// unpackPlugin replaces a plugin's zip by those of its jars that are not there
// in any version.
func unpackPlugin(file string) error {
	lib := filepath.Dir(file)
	there, err := os.ReadDir(lib)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, jar := range there {
		if strings.HasSuffix(jar.Name(), ".jar") {
			names[jarVersion.ReplaceAllString(jar.Name(), "")] = true
		}
	}
	plugin, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer plugin.Close()
	for _, jar := range plugin.File {
		if !strings.HasSuffix(jar.Name, ".jar") || strings.Contains(jar.Name, "/") || names[jarVersion.ReplaceAllString(jar.Name, "")] {
			continue
		}
		from, err := jar.Open()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(from)
		from.Close()
		if err == nil {
			err = os.WriteFile(filepath.Join(lib, jar.Name), content, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(file)
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
