{{/* On which nodes a service's pods run, and who goes when one has no room; takes `root` and `workload`. */}}
{{- define "headrace.placement" -}}
{{- with include "headrace.priorityClassName" . }}
priorityClassName: {{ . }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $.workload $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with include "headrace.spread" . }}
topologySpreadConstraints:
  {{- . | trim | nindent 2 }}
{{- end }}
{{- end }}

{{/* Pods of one version are spread among themselves, so that a rollout does not leave them in one zone. */}}
{{- define "headrace.spread" -}}
{{- $keys := dict "zone" "topology.kubernetes.io/zone" "node" "kubernetes.io/hostname" -}}
{{- range $over := list "zone" "node" }}
{{- with get $.workload.topologySpread $over }}
- topologyKey: {{ get $keys $over }}
  maxSkew: 1
  whenUnsatisfiable: {{ . }}
  nodeTaintsPolicy: Honor
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "headrace.deploymentSelector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* `critical` and `standard` are classes of this chart, where it makes them; other names are the cluster's. */}}
{{- define "headrace.priorityClassName" -}}
{{- $name := .workload.priorityClassName -}}
{{- if not (has $name (list "critical" "standard")) -}}
{{ $name }}
{{- else if .root.Values.priorityClasses.create -}}
{{ include "headrace.fullname" .root }}-{{ $name }}
{{- end -}}
{{- end }}
