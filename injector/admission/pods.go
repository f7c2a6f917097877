package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"logging.taco/injector/inject"
)

// decision is how an admission ended, and a metric label.
type decision string

const (
	injected decision = "injected"
	skipped  decision = "skipped"
	denied   decision = "denied"
	fault    decision = "fault" // let in without a sidecar through a fault of ours
)

// Reasons that package inject does not have.
const (
	notPodCreation  inject.Reason = "NotPodCreation"
	unreadablePod   inject.Reason = "UnreadablePod"
	unwritablePatch inject.Reason = "UnwritablePatch"
	panicked        inject.Reason = "Panicked"
)

// faultWarning is what the pod's user reads. The cause is in the injector's log.
const faultWarning = "logging.taco: the pod was let in WITHOUT a log sidecar, through a fault of the injector; its log says more"

// pods decides over pods.
type pods struct{ Options }

// verdict is what is known about an admission in the end.
type verdict struct {
	decision     decision
	reasons      []string
	generateName string
	err          error // of a fault
	response     admission.Response
}

// handle decides, then tells the log and the metrics.
func (p *pods) handle(ctx context.Context, req admission.Request) admission.Response {
	begin := time.Now()
	v := p.contained(req)
	took := time.Since(begin)
	p.Metrics.admitted(v.decision, v.reasons, took)

	level, attributes := slog.LevelInfo, []slog.Attr{
		slog.String("namespace", req.Namespace),
		slog.String("decision", string(v.decision)),
		slog.Any("reasons", v.reasons),
		slog.Duration("took", took),
		slog.String("uid", string(req.UID)),
	}
	if req.Name != "" || v.generateName == "" {
		attributes = append(attributes, slog.String("name", req.Name))
	} else {
		attributes = append(attributes, slog.String("generateName", v.generateName))
	}
	if req.DryRun != nil && *req.DryRun {
		attributes = append(attributes, slog.Bool("dryRun", true))
	}
	if v.err != nil {
		level, attributes = slog.LevelError, append(attributes, slog.Any("err", v.err))
	}
	p.Log.LogAttrs(ctx, level, "admission", attributes...)
	return v.response
}

// contained makes a fault of a panic. The value of a panic may hold parts of the
// pod, so only its type and place are told.
func (p *pods) contained(req admission.Request) (v verdict) {
	defer func() {
		if cause := recover(); cause != nil {
			p.Metrics.panics.Inc()
			v = verdict{generateName: v.generateName}
			v.fault(panicked, fmt.Errorf("panic with a value of type %T at %s", cause, debug.Stack()))
		}
	}()
	p.decide(req, &v)
	return v
}

func (p *pods) decide(req admission.Request, v *verdict) {
	kind := req.Kind.Group == "" && req.Kind.Version == "v1" && req.Kind.Kind == "Pod"
	if !kind || req.SubResource != "" || req.Operation != admissionv1.Create {
		v.decision, v.reasons, v.response = skipped, []string{string(notPodCreation)}, admission.Allowed("")
		return
	}
	pod := &corev1.Pod{}
	if err := utiljson.Unmarshal(req.Object.Raw, pod); err != nil {
		v.fault(unreadablePod, fmt.Errorf("read the pod: an object of %d bytes is not what this version knows as a Pod", len(req.Object.Raw)))
		return
	}
	if k := pod.GroupVersionKind(); !k.Empty() && (k.Group != "" || k.Version != "v1" || k.Kind != "Pod") {
		v.fault(unreadablePod, fmt.Errorf("read the pod: the object is a %s, and the request is about a Pod", k.Kind))
		return
	}
	v.generateName = pod.GenerateName

	after, report := p.inject(pod, req.Namespace, p.Profile())
	v.reasons = report.Reasons()
	switch {
	case report.Denied():
		v.decision, v.response = denied, admission.Denied(report.Message())
	case report.Skipped():
		v.decision, v.response = skipped, admission.Allowed("")
	default:
		patch, err := inject.Patch(pod, after)
		if err != nil {
			v.fault(unwritablePatch, err)
			return
		}
		if err := v.patched(patch); err != nil {
			v.fault(unwritablePatch, err)
			return
		}
	}
	v.response.Warnings = printable(report.Warnings())
}

// operation is one of a JSON patch. Its fields in this order, without the detours
// of jsonpatch's own way to write itself.
type operation struct {
	Operation string `json:"op"`
	Path      string `json:"path"`
	Value     any    `json:"value,omitempty"`
}

// patched lets the pod in with a patch; none, where nothing has to change.
func (v *verdict) patched(patch []jsonpatch.Operation) error {
	v.decision, v.response = injected, admission.Allowed("")
	if len(patch) == 0 {
		return nil
	}
	ops := make([]operation, len(patch))
	for i, op := range patch {
		ops[i] = operation{op.Operation, op.Path, op.Value}
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return fmt.Errorf("write the patch: %w", err)
	}
	kind := admissionv1.PatchTypeJSONPatch
	v.response.Patch, v.response.PatchType = text, &kind
	return nil
}

// fault lets the pod in, with a warning.
func (v *verdict) fault(reason inject.Reason, err error) {
	v.decision, v.reasons, v.err = fault, []string{string(reason)}, err
	v.response = admission.Allowed("").WithWarnings(faultWarning)
}

// printable makes warnings fit for an HTTP header: an API server drops those
// with control characters or invalid UTF-8 without a word.
func printable(warnings []string) []string {
	for i, w := range warnings {
		warnings[i] = "logging.taco: " + strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(w, "\uFFFD"))
	}
	return warnings
}
