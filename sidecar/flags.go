package main

import (
	"errors"
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
	rulesFlags(fs, &src.Rules)
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

// rulesFlags say what a record means, and which of them go out.
func rulesFlags(fs *flag.FlagSet, r *config.Rules) {
	fs.StringVar(&r.Format, "format", "", "of the records, `NAME`: none, json, logfmt, ltsv, csv, tsv, csv:NAME,NAME... with the columns' names, apache2, nginx, syslog, or regexp:EXPRESSION with named groups (default none)")
	fs.StringVar(&r.Types, "types", "", "of fields, `KEY:TYPE,...`: string, integer, float or bool")
	fs.StringVar(&r.TimeKey, "time-key", "", "`KEY` of the field with the record's time; without it the first in the record of time, @timestamp, timestamp and ts that has one")
	fs.StringVar(&r.TimeFormat, "time-format", "", "how that is written, `FORMAT`: rfc3339, apache, epoch, epoch_ms, epoch_us, epoch_ns, a strptime format or a Go layout; without it rfc3339 or apache. Without --format it is the time at the line's start")
	fs.StringVar(&r.TimeZone, "time-zone", "", "`ZONE` of times that do not say theirs, such as Asia/Seoul or +09:00 (default UTC)")
	list := func(name, help string, to *[]string) {
		fs.Func(name, help, func(s string) error {
			*to = append(*to, s)
			return nil
		})
	}
	list("drop", "records that match `REGEXP` do not go out; may be repeated", &r.Drop)
	list("keep", "records that do not match `REGEXP` do not go out; of several one has to match", &r.Keep)
	list("redact", "what matches `REGEXP`, or its named groups, becomes [redacted]; may be repeated", &r.Redact)
	fs.Func("add", "a constant field, `KEY=VALUE`; may be repeated", func(s string) error {
		key, value, found := strings.Cut(s, "=")
		if !found {
			return errors.New("write KEY=VALUE")
		}
		if r.Add == nil {
			r.Add = map[string]string{}
		}
		r.Add[key] = value
		return nil
	})
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
