{{/* What objects are called, and the labels by which they find one another. */}}

{{- define "headrace.name" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/* The prefix of all names: the release's name, with the chart's unless that is in it. */}}
{{- define "headrace.fullname" -}}
{{- $name := include "headrace.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name }}
{{- else -}}
{{ .Release.Name }}-{{ $name }}
{{- end -}}
{{- end }}

{{/* The labels of any object; takes `root` and, if the object belongs to one, `component`. */}}
{{- define "headrace.labels" -}}
app.kubernetes.io/name: {{ include "headrace.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What a component's pods are found by; takes `root` and `component`. */}}
{{- define "headrace.componentSelector" -}}
app.kubernetes.io/name: {{ include "headrace.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* What a Service finds its pods by: all tracks of one workload. Takes `root` and `workload`. */}}
{{- define "headrace.serviceSelector" -}}
{{ include "headrace.componentSelector" (dict "root" .root "component" .workload.component) }}
{{- with .workload.name }}
headrace.dev/model-server: {{ . }}
{{- end }}
{{- end }}

{{/* What a Deployment finds its pods by: one track of a workload. Takes `root` and `workload`. */}}
{{- define "headrace.deploymentSelector" -}}
{{ include "headrace.serviceSelector" . }}
{{- with .workload.track }}
headrace.dev/track: {{ . }}
{{- end }}
{{- end }}

{{- define "headrace.podLabels" -}}
{{ include "headrace.deploymentSelector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .workload.version }}
headrace.dev/model-version: {{ . | quote }}
{{- end }}
{{ include "headrace.injectionLabel" (dict "root" .root "inject" true) }}
{{- with .workload.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether Istio adds a sidecar to a pod; takes `root` and `inject`. */}}
{{- define "headrace.injectionLabel" -}}
{{- if and .inject .root.Values.mesh.enabled .root.Values.mesh.revision -}}
istio.io/rev: {{ .root.Values.mesh.revision }}
{{- else -}}
sidecar.istio.io/inject: {{ and .inject .root.Values.mesh.enabled | quote }}
{{- end -}}
{{- end }}

{{/* The name of the one Secret. */}}
{{- define "headrace.secretName" -}}
{{ .Values.secrets.existingSecret | default (printf "%s-secrets" (include "headrace.fullname" .)) }}
{{- end }}
