{{/*
What no schema can tell, checked before anything is rendered. Each message names the values and says what to do.
*/}}
{{- define "headrace.checks" -}}
{{- include "headrace.check.secrets" . -}}
{{- include "headrace.check.mesh" . -}}
{{- include "headrace.check.cluster" . -}}
{{- range include "headrace.workloads" . | fromYamlArray -}}
{{- include "headrace.check.workload" . -}}
{{- if eq .component "inference" }}{{ include "headrace.check.model" . }}{{ end -}}
{{- end -}}
{{- include "headrace.check.names" . -}}
{{- if not (or .Values.inference.models .Values.gateway.discovery.enabled) -}}
{{- fail "\n\ninference.models is empty, so nobody could ask for anything. Name a model, or set gateway.discovery.enabled=true for model servers of another release." -}}
{{- end -}}
{{- end }}

{{- define "headrace.check.secrets" -}}
{{- $external := .Values.secrets.externalSecret -}}
{{- $ways := compact (list .Values.secrets.existingSecret ($external.enabled | ternary "external" "") (.Values.evaluation.enabled | ternary "evaluation" "")) -}}
{{- if ne (len $ways) 1 -}}
{{- fail (printf `

Headrace needs one Secret, and has no default for it. Set exactly one of:
  secrets.existingSecret                a Secret in namespace %q with the keys auth-database-url, audit-database-url,
                                        admission-redis-url, cache-redis-url and key-encryption-key
  secrets.externalSecret.enabled=true   if the External Secrets Operator is to make it
  evaluation.enabled=true               for a first try, with a database of its own; not for production
%d of them are set.` .Release.Namespace (len $ways)) -}}
{{- end -}}
{{- if and $external.enabled (not (and $external.storeRef.name $external.remoteKey)) -}}
{{- fail "\n\nsecrets.externalSecret.enabled needs secrets.externalSecret.storeRef.name and secrets.externalSecret.remoteKey." -}}
{{- end -}}
{{- end }}

{{- define "headrace.check.mesh" -}}
{{- if and .Values.mesh.enabled .Values.ingress.enabled -}}
{{- fail "\n\nmesh.enabled and ingress.enabled exclude each other: with a mesh its Gateway is the way in. Set mesh.enabled=false for an Ingress." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.gateway.hosts) -}}
{{- fail "\n\ningress.enabled needs gateway.hosts, for example gateway.hosts={llm.example.org}." -}}
{{- end -}}
{{- if hasPrefix "*" (first .Values.gateway.hosts | default "") -}}
{{- fail "\n\ngateway.hosts: the first one makes the URL that access tokens are issued under, so it cannot begin with *." -}}
{{- end -}}
{{- if and .Values.gateway.canary.enabled (not .Values.mesh.enabled) -}}
{{- fail "\n\ngateway.canary.enabled needs mesh.enabled: without a mesh nothing shares requests between two versions of the gateway." -}}
{{- end -}}
{{- if and .Values.gateway.canary.enabled (not .Values.gateway.canary.tag) -}}
{{- fail "\n\ngateway.canary.enabled needs gateway.canary.tag, the version to try." -}}
{{- end -}}
{{- end }}

{{/*
Kinds that the cluster does not know. Only where there is a cluster: each has the API for aggregation, which Helm knows
nothing of when it renders without one.
*/}}
{{- define "headrace.check.cluster" -}}
{{- $kinds := dict "networking.istio.io/v1" .Values.mesh.enabled "monitoring.coreos.com/v1" .Values.podMonitor.enabled "external-secrets.io/v1" .Values.secrets.externalSecret.enabled -}}
{{- $values := dict "networking.istio.io/v1" "mesh.enabled" "monitoring.coreos.com/v1" "podMonitor.enabled" "external-secrets.io/v1" "secrets.externalSecret.enabled" -}}
{{- if .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" -}}
{{- range $api, $wanted := $kinds -}}
{{- if and $wanted (not ($.Capabilities.APIVersions.Has $api)) -}}
{{- fail (printf "\n\n%s is true, but this cluster does not know %s: install what it is for, or set %s=false." (get $values $api) $api (get $values $api)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "headrace.check.workload" -}}
{{- $least := add (int .preStopSeconds) (int .drainSeconds) 15 -}}
{{- if lt (int .terminationGracePeriodSeconds) (int $least) -}}
{{- fail (printf "\n\n%s: terminationGracePeriodSeconds is %d, and must be at least preStopSeconds + drainSeconds + 15 = %d, or running calls are cut." .fullname (int .terminationGracePeriodSeconds) $least) -}}
{{- end -}}
{{- if and (ne .autoscaling.mode "none") (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) -}}
{{- fail (printf "\n\n%s: autoscaling.minReplicas is %d, above autoscaling.maxReplicas, %d." .fullname (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and (eq .autoscaling.mode "keda") (not .autoscaling.keda.queries) -}}
{{- fail (printf "\n\n%s: autoscaling.mode=keda needs autoscaling.keda.queries." .fullname) -}}
{{- end -}}
{{- if and (eq .autoscaling.mode "hpa") (not (or .autoscaling.cpuUtilization .autoscaling.podMetrics)) -}}
{{- fail (printf "\n\n%s: autoscaling.mode=hpa needs autoscaling.cpuUtilization or autoscaling.podMetrics." .fullname) -}}
{{- end -}}
{{- end }}

{{- define "headrace.check.model" -}}
{{- if include "headrace.preparesModel" . -}}
{{- if eq (empty .source.builtin) (empty .source.uri) -}}
{{- fail (printf "\n\nModel %q: set exactly one of source.builtin and source.uri (or storage.image with a prepared model)." .name) -}}
{{- end -}}
{{- end -}}
{{- if and .storage.image (not .storage.imagePath) -}}
{{- fail (printf "\n\nModel %q: storage.image needs storage.imagePath, where the model is in it." .name) -}}
{{- end -}}
{{- if and (eq .engine "openai") (not .remote.url) -}}
{{- fail (printf "\n\nModel %q: engine openai needs remote.url, for example http://vllm:8000/v1." .name) -}}
{{- end -}}
{{- end }}

{{/* A Service's name, with that of its canary, is a label of DNS. */}}
{{- define "headrace.check.names" -}}
{{- $seen := list -}}
{{- range include "headrace.workloads" . | fromYamlArray -}}
{{- if has .fullname $seen -}}
{{- fail (printf "\n\ninference.models: two models have the name %q." .name) -}}
{{- end -}}
{{- $seen = append $seen .fullname -}}
{{- if gt (len (printf "%s-canary" .fullname)) 63 -}}
{{- fail (printf "\n\n%s-canary is longer than 63 characters, the most that a Service's name may have: shorten the model's name, or set fullnameOverride." .fullname) -}}
{{- end -}}
{{- end -}}
{{- end }}
