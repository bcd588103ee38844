{{/*
A Service; takes `root`, `workload` and `name`, and for a model's target also `target`. One with a name of its
own has the pods of the target's track alone.
*/}}
{{- define "headrace.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "headrace.labels" (dict "root" .root "component" .workload.component) | nindent 4 }}
    {{- with include "headrace.discoveryLabels" . }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- with include "headrace.discoveryAnnotations" . | trim }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  selector:
    {{- include "headrace.serviceSelector" . | nindent 4 }}
    {{- if and .target (ne .name .workload.fullname) }}
    headrace.dev/track: {{ .target.cohort }}
    {{- end }}
  ports:
    {{- if eq .workload.component "gateway" }}
    - {name: http, port: 8080, targetPort: http, appProtocol: http}
    {{- end }}
    - {name: grpc, port: 9000, targetPort: grpc, appProtocol: grpc}
{{- end }}

{{/* By these a gateway with `discovery` finds its targets. An id that is no label's value is an annotation. */}}
{{- define "headrace.discoveryLabels" -}}
{{- with .target -}}
{{- $isValue := regexMatch (include "headrace.labelValue" .) $.workload.id -}}
headrace.dev/model: {{ $isValue | ternary $.workload.id $.workload.name | quote }}
headrace.dev/weight: {{ .weight | quote }}
{{- with .cohort }}
headrace.dev/cohort: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "headrace.discoveryAnnotations" -}}
{{- if .target }}
{{- if not (regexMatch (include "headrace.labelValue" .) .workload.id) }}
headrace.dev/model: {{ .workload.id | quote }}
{{- end }}
{{- with .workload.fallbackFor }}
headrace.dev/fallback-for: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "headrace.labelValue" -}}
^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$
{{- end }}
