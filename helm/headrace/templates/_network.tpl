{{/* Rules of NetworkPolicies: who may talk to a component, and with whom it may. */}}

{{/* Who calls each component, as `callers` has it; of models, those of each. */}}
{{- define "headrace.callers" -}}
{{- $callers := dict -}}
{{- range include "headrace.workloads" . | fromYamlArray -}}
{{- $known := get $callers .component | default list -}}
{{- $_ := set $callers .component (concat $known (keys .callers) | uniq | sortAlpha) -}}
{{- end -}}
{{ toYaml $callers }}
{{- end }}

{{/* Takes `root`, `component` and `callers`, the map of all. */}}
{{- define "headrace.network.ingress" -}}
{{- $network := .root.Values.networkPolicy -}}
{{- if eq .component "gateway" }}
- from:
    {{- include "headrace.network.namespace" $network.ingressNamespace | nindent 4 }}
  ports:
    - {port: http, protocol: TCP}
    {{- if and .root.Values.mesh.enabled .root.Values.mesh.gateway.grpc }}
    - {port: grpc, protocol: TCP}
    {{- end }}
{{- with .root.Values.gateway.consumers }}
- from:
    {{- range . }}
    {{- include "headrace.network.namespace" .namespace | nindent 4 }}
    {{- end }}
  ports:
    - {port: http, protocol: TCP}
    - {port: grpc, protocol: TCP}
{{- end }}
{{- end }}
{{- with get .callers .component }}
- from:
    {{- range . }}
    {{- include "headrace.network.component" (dict "root" $.root "component" .) | nindent 4 }}
    {{- end }}
  ports:
    - {port: grpc, protocol: TCP}
{{- end }}
- from:
    {{- include "headrace.network.namespace" $network.monitoringNamespace | nindent 4 }}
  ports:
    - {port: metrics, protocol: TCP}
    {{- if .root.Values.mesh.enabled }}
    # The sidecar's own.
    - {port: 15090, protocol: TCP}
    {{- end }}
{{- end }}

{{/* Takes `root`, `component` and `callers`, the map of all. */}}
{{- define "headrace.network.egress" -}}
{{ include "headrace.network.cluster" .root }}
{{- range $callee, $callers := .callers }}
{{- if has $.component $callers }}
- to:
    {{- include "headrace.network.component" (dict "root" $.root "component" $callee) | nindent 4 }}
  ports:
    - {port: 9000, protocol: TCP}
{{- end }}
{{- end }}
{{- if has .component (list "auth" "audit") }}
{{ include "headrace.network.postgres" .root }}
{{- end }}
{{- if has .component (list "gateway" "auth" "cache") }}
{{ include "headrace.network.redis" .root }}
{{- end }}
{{- if and (eq .component "gateway") .root.Values.gateway.discovery.enabled }}
# The Kubernetes API, which has no pods to name.
- ports:
    - {port: 443, protocol: TCP}
    - {port: 6443, protocol: TCP}
{{- end }}
{{- if eq .component "inference" }}
{{- include "headrace.network.models" .root }}
{{- end }}
{{- with get .root.Values.networkPolicy.extraEgress .component }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What every service needs: names, and for its sidecar the control plane. */}}
{{- define "headrace.network.cluster" -}}
{{ include "headrace.network.names" . }}
{{- if .Values.mesh.enabled }}
- to:
    {{- include "headrace.network.namespace" .Values.mesh.controlPlaneNamespace | nindent 4 }}
  ports:
    - {port: 15012, protocol: TCP}
{{- end }}
{{- end }}

{{- define "headrace.network.names" -}}
- to:
    {{- include "headrace.network.namespace" "kube-system" | nindent 4 }}
    # NodeLocal DNSCache.
    - ipBlock: {cidr: 169.254.20.10/32}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- define "headrace.network.postgres" -}}
{{ include "headrace.network.store" (dict "root" . "store" "postgres" "ports" .Values.networkPolicy.databasePorts) }}
{{- end }}

{{- define "headrace.network.redis" -}}
{{ include "headrace.network.store" (dict "root" . "store" "redis" "ports" .Values.networkPolicy.redisPorts) }}
{{- end }}

{{/* A database: the release's own pods, or wherever it is. Takes `root`, `store` and `ports`. */}}
{{- define "headrace.network.store" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- if .root.Values.evaluation.enabled }}
  to:
    {{- include "headrace.network.component" (dict "root" .root "component" .store) | nindent 4 }}
  {{- end }}
{{- end }}

{{/*
Where models come from, and remote servers. Their names are not for a NetworkPolicy to know; their ports are. What an image
or a volume has is not downloaded, and who can reach nobody has nobody to pass prompts on to.
*/}}
{{- define "headrace.network.models" -}}
{{- $ports := list -}}
{{- range include "headrace.deployments" . | fromYamlArray -}}
{{- if eq .component "inference" -}}
{{- if and (include "headrace.preparesModel" .) (hasPrefix "hf://" .source.uri) }}{{ $ports = append $ports 443 }}{{ end -}}
{{- if eq .engine "openai" }}{{ $ports = append $ports (include "headrace.portOfUrl" .remote.url | int) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- with $ports | uniq }}
- ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}

{{- define "headrace.portOfUrl" -}}
{{- $url := urlParse . -}}
{{- $implied := eq $url.scheme "https" | ternary "443" "80" -}}
{{ regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default $implied }}
{{- end }}

{{- define "headrace.network.namespace" -}}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . }}}
{{- end }}

{{/* Takes `root` and `component`. */}}
{{- define "headrace.network.component" -}}
- podSelector:
    matchLabels:
      {{- include "headrace.componentSelector" . | nindent 6 }}
{{- end }}
