{{/* Parts of AuthorizationPolicies. */}}

{{/* The rules of a workload, one for each caller; takes `root` and `workload`. Empty if nobody may call it. */}}
{{- define "headrace.mesh.rules" -}}
{{- $root := .root }}
{{- range $caller, $methods := .workload.callers }}
{{- $account := printf "%s-%s" (include "headrace.fullname" $root) $caller }}
{{- $principal := include "headrace.mesh.principal" (dict "root" $root "namespace" $root.Release.Namespace "serviceAccount" $account) | trim }}
{{ include "headrace.mesh.rule" (dict "principal" $principal "port" 9000 "methods" $methods) }}
{{- end }}
{{- if eq .workload.component "gateway" }}
{{- include "headrace.mesh.gatewayRules" $root }}
{{- end }}
{{- end }}

{{/* Besides, the gateway answers the ingress gateway, and whom `gateway.consumers` names. */}}
{{- define "headrace.mesh.gatewayRules" -}}
{{- $methods := list "headrace.gateway.v1.CompletionService/*" }}
{{- if include "headrace.mesh.edge" . | trim }}
{{- $edge := dict "root" . "namespace" .Values.networkPolicy.ingressNamespace "serviceAccount" .Values.mesh.gateway.serviceAccount }}
{{- $principal := include "headrace.mesh.principal" $edge | trim }}
{{ include "headrace.mesh.rule" (dict "principal" $principal "port" 8080) }}
{{- if .Values.mesh.gateway.grpc }}
{{ include "headrace.mesh.rule" (dict "principal" $principal "port" 9000 "methods" $methods) }}
{{- end }}
{{- end }}
{{- range .Values.gateway.consumers }}
{{- $principal := include "headrace.mesh.principal" (merge (dict "root" $) .) | trim }}
{{- $consumer := dict "principal" $principal "claimsNobody" true }}
{{ include "headrace.mesh.rule" (merge (dict "port" 8080) $consumer) }}
{{ include "headrace.mesh.rule" (merge (dict "port" 9000 "methods" $methods) $consumer) }}
{{- end }}
{{- end }}

{{/*
One caller and what it may ask at one port: gRPC methods, or, without any, every HTTP path. `claimsNobody` is for
callers who may not name another address than theirs: the gateway believes what its own proxy passes on.
*/}}
{{- define "headrace.mesh.rule" -}}
- from:
    - source:
        principals:
          - {{ .principal }}
  to:
    - operation:
        ports:
          - {{ .port | quote }}
        {{- with .methods }}
        paths:
          {{- range . }}
          - /{{ . }}
          {{- end }}
        {{- end }}
  {{- if .claimsNobody }}
  when:
    - key: request.headers[x-forwarded-for]
      notValues: ["*"]
  {{- end }}
{{- end }}
