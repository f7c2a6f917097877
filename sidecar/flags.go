package main

import (
	"flag"
	"strconv"
	"strings"

	"logging.taco/sidecar/config"
)

// commonFlags are those of every command that follows files.
func commonFlags(fs *flag.FlagSet, c *config.Config, src *config.Source, once *bool) {
	fs.StringVar(&c.State, "state", "", "`DIR` for the checkpoint; without it every start reads by --from")
	fs.Func("from", "where a file without a checkpoint begins, `start|end` (default start)", func(s string) error {
		c.From = config.From(s)
		return nil
	})
	fs.BoolVar(once, "once", false, "deliver all that is there now, then exit")
	fs.Func("engine", "how files are known: by `inode|name`; name is for file systems whose inode numbers change, and loses lines at some rotations (default inode)", func(s string) error {
		c.Engine = config.Engine(s)
		return nil
	})
	fs.StringVar(&src.Multiline, "multiline", "", "which lines belong together: none, java, python, go, ruby, indent, or a regular expression for a first line, `RULE` (default none)")
	fs.StringVar(&src.Charset, "charset", "", "of the files, any WHATWG `NAME`: utf-8, euc-kr, shift_jis, utf-16le... (default utf-8)")
	fs.Var(&c.FlushTimeout, "flush-timeout", "`duration` after which an unfinished last line or open multi-line record goes out")
	fs.Var(&c.Linger, "linger", "after SIGTERM, keep following until the files are quiet or this `duration` has passed")
	fs.Var(&c.Grace, "grace", "after SIGTERM, at most this `duration` to deliver")
	fs.Var(&c.MaxLine, "max-line", "`size` beyond which a record is split")
	fs.Var(&c.MaxHeld, "max-held", "`size` of deleted files, kept open for delivery, at which --when-full decides; 0: never")
	fs.Func("when-full", "at --max-held: `discard|block`, give the oldest deleted files up, or keep them and say so (default discard)", func(s string) error {
		c.WhenFull = config.WhenFull(s)
		return nil
	})
	fs.StringVar(&c.Metrics, "metrics", "", "`address` of Prometheus metrics and health, such as :9600; a port that is taken is a warning")
}

// shipFlags are those of the output.
func shipFlags(fs *flag.FlagSet, c *config.Config, src *config.Source) {
	o := &c.Output
	fs.Func("to", "the backend's `URL`, http:// or https://; several, with commas or by repeating the flag, are taken in turn", func(s string) error {
		for _, to := range strings.Split(s, ",") {
			o.To = append(o.To, strings.TrimSpace(to))
		}
		return nil
	})
	fs.StringVar(&o.Index, "index", o.Index, "`PATTERN` of the index: strftime of the record's time in UTC, {field} for a field")
	fs.Func("index-type", "what the index is: `index|data-stream` (default index)", func(s string) error {
		o.IndexType = config.IndexType(s)
		return nil
	})
	onOff(fs, &o.IDs, "ids", "documents get ids of pod, generation and offset, so that nothing is stored twice: `true|false` (default true)")
	onOff(fs, &o.Gzip, "gzip", "compressed bulks: `true|false` (default true)")
	fs.Var(&o.BatchSize, "batch-size", "`size`, before compression, at which a bulk goes out")
	fs.Var(&o.BatchWait, "batch-wait", "`duration` between bulks that are not full")
	fs.IntVar(&o.InFlight, "in-flight", o.InFlight, "bulks at once, a `number`; more than 1 gives up order between them")
	fs.Var(&o.Timeout, "timeout", "of one request, a `duration`")
	fs.Func("template", "the index template: `auto|check|off`, put it unless one of yours is there, only say what is missing, neither (default auto)", func(s string) error {
		o.Template = config.Template(s)
		return nil
	})
	fs.StringVar(&o.Credentials, "credentials", "", "`DIR` with files, each optional: username, password, api-key, token, ca.crt, tls.crt, tls.key; read again when they change")
	fs.StringVar(&o.ServerName, "server-name", "", "`name` in the backend's certificate (default the host of the URL)")
	fs.StringVar(&o.DeadLetter, "dead-letter", "", "`FILE` of records that the backend will never take, with its reason (default dead-letter.ndjson in --state)")
	fs.Var(&o.DeadLetterSize, "dead-letter-size", "`size` at which that file is rotated; one older file is kept")
	fs.StringVar(&c.Pod, "pod", "", "`DIR` of the downward API with the pod's labels and annotations")
	fs.StringVar(&src.Container, "container", "", "`name` of the container that writes the files, for the documents")
}

// onOff makes a flag that is true by default and can be told otherwise.
func onOff(fs *flag.FlagSet, value *bool, name, help string) {
	fs.BoolFunc(name, help, func(s string) (err error) {
		*value, err = strconv.ParseBool(s)
		return err
	})
}
