{{/* Parts of DestinationRules. */}}

{{/* The fewest gateways there are; at least one, for none of them asks nobody. */}}
{{- define "headrace.mesh.gateways" -}}
{{- range include "headrace.workloads" . | fromYamlArray }}
{{- if eq .component "gateway" }}{{ include "headrace.fewestPods" . | int | max 1 }}{{ end }}
{{- end }}
{{- end }}

{{/*
How many requests one gateway's proxy may have in flight to a model: a quarter more than its share of all
slots that there can be. Takes `callee` and `gateways`.
*/}}
{{- define "headrace.mesh.modelRequests" -}}
{{ divf (mulf 1.25 (include "headrace.mostPods" .callee | int) .callee.slots) .gateways | ceil | int }}
{{- end }}

{{/* A trafficPolicy; takes `callee`, an entry of `headrace.mesh.callees`, and `gateways`. */}}
{{- define "headrace.mesh.trafficPolicy" -}}
{{- $requests := .callee.circuitBreaking.http2MaxRequests | int -}}
{{- if not $requests }}{{ $requests = include "headrace.mesh.modelRequests" . | int }}{{ end -}}
{{- with .callee.circuitBreaking -}}
# Said, not left to Istio, which would speak plainly to a pod that has no proxy.
tls:
  mode: ISTIO_MUTUAL
connectionPool:
  tcp:
    connectTimeout: {{ .connectTimeout }}
  http:
    http2MaxRequests: {{ $requests }}
    http1MaxPendingRequests: {{ .http1MaxPendingRequests | int | default $requests }}
outlierDetection:
  consecutiveGatewayErrors: {{ .consecutiveGatewayErrors }}
  consecutive5xxErrors: {{ .consecutive5xxErrors }}
  splitExternalLocalOriginErrors: {{ .splitExternalLocalOriginErrors }}
  {{- if .splitExternalLocalOriginErrors }}
  consecutiveLocalOriginFailures: {{ .consecutiveLocalOriginFailures }}
  {{- end }}
  interval: {{ .interval }}
  baseEjectionTime: {{ .baseEjectionTime }}
  maxEjectionPercent: {{ .maxEjectionPercent }}
loadBalancer:
  simple: {{ .loadBalancer }}
  # Said as well: outlierDetection would turn it on.
  localityLbSetting:
    enabled: {{ .localityFailover }}
{{- end }}
{{- end }}
