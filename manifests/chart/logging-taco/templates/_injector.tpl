{{- define "logging-taco.selfManaged" -}}
{{- if eq .Values.certificate.source "self-managed" }}yes{{ end }}
{{- end }}

{{- define "logging-taco.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* Four fifths of the memory limit, as Go's runtime spells it; empty without a limit. */ -}}
{{- define "logging-taco.goMemoryLimit" -}}
{{- with (.Values.resources.limits | default dict).memory -}}
{{- $mebibytes := ternary (mul 1024 (trimSuffix "Gi" .)) (trimSuffix "Mi" . | int64) (hasSuffix "Gi" .) -}}
{{ div (mul $mebibytes 4) 5 }}MiB
{{- end }}
{{- end }}
