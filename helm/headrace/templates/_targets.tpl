{{/*
How the gateway's requests come to a model: the targets of its route. Each takes `root` and `workload`, a model.

A model without a canary is one target, its Service. With one it is two, which differ in `cohort`:
  - in a mesh, where the gateway reads a table: two targets with the address of the one Service. The gateway tells
    the cohort in a header, and the mesh's VirtualService sends it to that track's pods.
  - otherwise: two Services, one for each track.
*/}}
{{- define "headrace.targets" -}}
{{- $model := .workload -}}
{{- $weight := int $model.weight -}}
{{- if not $model.canary.enabled }}
- {service: {{ $model.fullname }}, weight: {{ $weight }}}
{{- else }}
{{- $perTrack := not (empty (include "headrace.servicePerTrack" .)) }}
{{- $share := int $model.canary.weight }}
{{- range $cohort := list "stable" "canary" }}
{{- $part := eq $cohort "canary" | ternary $share (sub 100 $share) }}
- service: {{ $perTrack | ternary (printf "%s-%s" $model.fullname $cohort) $model.fullname }}
  cohort: {{ $cohort }}
  weight: {{ div (mul $weight $part) 100 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Not empty if each track has a Service of its own. */}}
{{- define "headrace.servicePerTrack" -}}
{{- if or (not .root.Values.mesh.enabled) .root.Values.gateway.discovery.enabled }}yes{{ end -}}
{{- end }}

{{/* The gateway's route table (docs/routing.md): own targets first, then those of models that fall back. */}}
{{- define "headrace.routes" -}}
{{- $groups := dict -}}
{{- range $place := list "own" "fallback" -}}
{{- range $model := include "headrace.workloads" $ | fromYamlArray -}}
{{- if eq $model.component "inference" -}}
{{- range $id := eq $place "own" | ternary (list $model.id) $model.fallbackFor -}}
{{- $targets := include "headrace.routeTargets" (dict "root" $ "workload" $model "asked" $id) | fromYamlArray -}}
{{- $known := get $groups $id | default dict -}}
{{- $_ := set $known $place (concat (get $known $place | default list) $targets) -}}
{{- $_ := set $groups $id $known -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
models:
{{- range $id, $known := $groups }}
  {{ $id | quote }}:
    {{- range $place := list "own" "fallback" }}
    {{- with get $known $place }}
    - targets:
        {{- toYaml . | nindent 8 }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end }}

{{/* A model's targets for requests that ask for the id `asked`. */}}
{{- define "headrace.routeTargets" -}}
{{- range include "headrace.targets" . | fromYamlArray }}
- address: {{ .service }}:9000
  weight: {{ .weight }}
  {{- with .cohort }}
  cohort: {{ . }}
  {{- end }}
  {{- if ne $.asked $.workload.id }}
  model: {{ $.workload.id | quote }}
  {{- end }}
{{- end }}
{{- end }}
