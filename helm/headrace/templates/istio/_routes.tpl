{{/* Parts of VirtualServices. */}}

{{/* A gRPC method, or all of a service (`package.Service/*`), as a match. */}}
{{- define "headrace.mesh.methodMatch" -}}
uri:
  {{- if hasSuffix "/*" . }}
  prefix: /{{ trimSuffix "*" . }}
  {{- else }}
  exact: /{{ . }}
  {{- end }}
{{- end }}

{{/*
Routes to one Service, all of them alike but for the version that they lead to:
  name     of the routes
  matches  list of matches, any of which will do; empty for everything
  host     DNS name of the Service
  port     its port
  canary   `enabled` and `weight`
  route    `timeout` and `retries`
With a canary, who names a version gets that one, and the others are shared by weight.
*/}}
{{- define "headrace.mesh.http" -}}
{{- range $cohort := ternary (list "canary" "stable" "") (list "") .canary.enabled }}
- name: {{ list $.name $cohort | compact | join "-" }}
  {{- with include "headrace.mesh.matches" (dict "matches" $.matches "cohort" $cohort) | trim }}
  match:
    {{- . | nindent 4 }}
  {{- end }}
  route:
    {{- if $cohort }}
    - {{ include "headrace.mesh.destination" (dict "to" $ "subset" $cohort) | nindent 6 | trim }}
    {{- else if $.canary.enabled }}
    - {{ include "headrace.mesh.destination" (dict "to" $ "subset" "stable") | nindent 6 | trim }}
      weight: {{ sub 100 $.canary.weight }}
    - {{ include "headrace.mesh.destination" (dict "to" $ "subset" "canary") | nindent 6 | trim }}
      weight: {{ $.canary.weight }}
    {{- else }}
    - {{ include "headrace.mesh.destination" (dict "to" $) | nindent 6 | trim }}
    {{- end }}
  {{- with $.route.timeout }}
  timeout: {{ . }}
  {{- end }}
  retries:
    {{- include "headrace.mesh.retries" $.route.retries | nindent 4 }}
{{- end }}
{{- end }}

{{/* The matches of a route, each with the version's header if there is one. */}}
{{- define "headrace.mesh.matches" -}}
{{- range .matches | default (list (dict)) }}
{{- $match := . }}
{{- if $.cohort }}
{{- $match = merge (dict "headers" (dict "x-headrace-cohort" (dict "exact" $.cohort))) . }}
{{- end }}
{{- with $match }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{- define "headrace.mesh.destination" -}}
destination:
  host: {{ .to.host }}
  port:
    number: {{ .to.port }}
  {{- with .subset }}
  subset: {{ . }}
  {{- end }}
{{- end }}

{{/* Never left out: Istio's default repeats a call twice when a service said that it cannot serve. */}}
{{- define "headrace.mesh.retries" -}}
attempts: {{ .attempts }}
{{- if .attempts }}
retryOn: {{ .retryOn }}
{{- with .perTryTimeout }}
perTryTimeout: {{ . }}
{{- end }}
{{- end }}
{{- end }}
