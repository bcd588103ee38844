{{/* The three probes of a service; takes `root` and `workload`. */}}
{{- define "headrace.probes" -}}
{{- range $probe := list "startup" "readiness" "liveness" }}
{{ $probe }}Probe:
  {{- if eq $.workload.component "gateway" }}
  {{- include "headrace.httpQuestion" (dict "root" $.root "probe" $probe) | nindent 2 }}
  {{- else }}
  {{- include "headrace.grpcQuestion" $probe | nindent 2 }}
  {{- end }}
  {{- range $name, $value := get $.workload.probes $probe }}
  {{ $name }}: {{ $value }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
Seconds without progress after which a rollout has failed: a start, and ten minutes to fetch image and model. Takes the
startup probe.
*/}}
{{- define "headrace.progressDeadline" -}}
{{ add 600 (mul .periodSeconds .failureThreshold) }}
{{- end }}

{{/*
The gateway has started when it lives: its own route for startup waits for every model, and loading one, or
downloading it for the first time, must restart no gateway. Until then it is not ready, and gets no requests.
*/}}
{{- define "headrace.httpQuestion" -}}
httpGet:
  path: /api/v1/health/{{ eq .probe "readiness" | ternary "readiness" "liveness" }}
  port: http
  {{- with .root.Values.gateway.hosts }}
  httpHeaders:
    # In case that TRUSTED_HOSTS is set, by which a pod's address is no host.
    - {name: Host, value: {{ first . | quote }}}
  {{- end }}
{{- end }}

{{/* A model server has started when its model is warm; `liveness` looks at nothing but the process. */}}
{{- define "headrace.grpcQuestion" -}}
grpc:
  port: 9000
  {{- if eq . "liveness" }}
  service: liveness
  {{- end }}
{{- end }}
