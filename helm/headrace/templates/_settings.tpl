{{/*
What the chart tells a service by itself: a map of its settings, without the prefix of their names. One template
for each service; each takes `root` and `workload`. docs: services/<name>/src/headrace_<name>/settings.py
*/}}
{{- define "headrace.settings" -}}
DRAIN_SECONDS: {{ .workload.drainSeconds }}
{{ include (printf "headrace.settings.%s" .workload.component) . }}
{{- end }}

{{- define "headrace.settings.gateway" -}}
{{- $fullname := include "headrace.fullname" .root -}}
{{- $gateway := .root.Values.gateway -}}
AUTH_TARGET: {{ $fullname }}-auth:9000
CACHE_TARGET: {{ $fullname }}-cache:9000
AUDIT_TARGET: {{ $fullname }}-audit:9000
{{- if $gateway.discovery.enabled }}
KUBERNETES_NAMESPACE: {{ .root.Release.Namespace }}
{{- else }}
ROUTES_FILE: /etc/headrace/routes/routes.yaml
{{- end }}
{{- if $gateway.guardPolicies }}
GUARD_POLICY_FILE: /etc/headrace/guard/policies.yaml
{{- end }}
SPOOL_DIRECTORY: /var/lib/headrace/spool
SPOOL_MAXIMUM_BYTES: {{ mul $gateway.spool.mebibytes 1048576 }}
TRUSTED_PROXIES: {{ include "headrace.trustedProxies" .root }}
REPLICAS: {{ include "headrace.mostGateways" .root }}
{{- end }}

{{/*
While limits cannot be counted together each gateway takes its part of them: with the largest number of gateways, the
canary's included, the parts never add up to more than the whole.
*/}}
{{- define "headrace.mostGateways" -}}
{{- $most := 0 -}}
{{- range include "headrace.deployments" . | fromYamlArray -}}
{{- if eq .component "gateway" }}{{ $most = add $most (include "headrace.mostPods" .) }}{{ end -}}
{{- end -}}
{{ $most }}
{{- end }}

{{/* A sidecar passes requests on from 127.0.0.6, and does not touch what the ingress gateway said of the client. */}}
{{- define "headrace.trustedProxies" -}}
{{- $own := .Values.mesh.enabled | ternary "127.0.0.1,127.0.0.6,::6" "127.0.0.1" -}}
{{ list $own .Values.gateway.trustedProxies | compact | join "," | quote }}
{{- end }}

{{- define "headrace.settings.auth" -}}
AUDIT_TARGET: {{ include "headrace.fullname" .root }}-audit:9000
{{- with .root.Values.gateway.hosts }}
ISSUER: https://{{ first . }}
{{- end }}
{{ include "headrace.settings.migration" .root }}
{{- end }}

{{- define "headrace.settings.audit" -}}
{{ include "headrace.settings.migration" .root }}
{{- end }}

{{/* Where a Job changes the schema, a service waits for it, and serves no older one. */}}
{{- define "headrace.settings.migration" -}}
MIGRATE_ON_START: {{ not .Values.migration.enabled }}
{{- end }}

{{- define "headrace.settings.cache" -}}
{{- end }}

{{- define "headrace.settings.inference" -}}
{{- $model := .workload -}}
ENGINE: {{ $model.engine }}
MODEL_ID: {{ $model.id | quote }}
SLOTS: {{ $model.slots }}
CONTEXT_TOKENS: {{ int64 $model.contextTokens }}
{{- if include "headrace.hasModelFiles" $model }}
MODEL_PATH: {{ include "headrace.modelPath" $model }}
{{- end }}
{{- if eq $model.engine "openai" }}
REMOTE_URL: {{ $model.remote.url }}
REMOTE_KIND: {{ $model.remote.kind }}
{{- with $model.remote.model }}
REMOTE_MODEL: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
