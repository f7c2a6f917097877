{{- /* What selects the injector's pods. It never changes: a Deployment's selector cannot. */ -}}
{{- define "logging-taco.selector" -}}
app.kubernetes.io/name: logging-taco
app.kubernetes.io/component: injector
{{- end }}

{{- define "logging-taco.labels" -}}
{{ include "logging-taco.selector" . }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}
