{{/*
What no schema can tell, checked before anything is rendered. Each message names the values and says what to do.
*/}}
{{- define "headrace.checks" -}}
{{- include "headrace.check.secrets" . -}}
{{- include "headrace.check.doors" . -}}
{{- include "headrace.check.canary" . -}}
{{- include "headrace.check.cluster" . -}}
{{- include "headrace.check.models" . -}}
{{- range include "headrace.workloads" . | fromYamlArray -}}
{{- include "headrace.check.workload" . -}}
{{- end -}}
{{- end }}

{{- define "headrace.fail" -}}
{{- fail (printf "\n\n%s" .) -}}
{{- end }}

{{- define "headrace.check.secrets" -}}
{{- $external := .Values.secrets.externalSecret -}}
{{- $ways := list
    (not (empty .Values.secrets.existingSecret)) $external.enabled .Values.evaluation.enabled -}}
{{- $set := without $ways false | len -}}
{{- if ne $set 1 -}}
{{- include "headrace.fail" (printf `Headrace needs one Secret, and has no default for it. Set exactly one of:
  secrets.existingSecret                a Secret in namespace %q with the keys auth-database-url, audit-database-url,
                                        admission-redis-url, cache-redis-url and key-encryption-key
  secrets.externalSecret.enabled=true   if the External Secrets Operator is to make it
  evaluation.enabled=true               for a first try, with a database of its own; not for production
%d of them are set.` .Release.Namespace $set) -}}
{{- end -}}
{{- if and $external.enabled (not (and $external.storeRef.name $external.remoteKey)) -}}
{{- include "headrace.fail" (printf "secrets.externalSecret.enabled needs %s and %s."
    "secrets.externalSecret.storeRef.name" "secrets.externalSecret.remoteKey") -}}
{{- end -}}
{{- end }}

{{- define "headrace.check.doors" -}}
{{- if and .Values.mesh.enabled .Values.ingress.enabled -}}
{{- include "headrace.fail" `mesh.enabled and ingress.enabled exclude each other: with a mesh its Gateway is the way in.
Set mesh.enabled=false for an Ingress.` -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.gateway.hosts) -}}
{{- include "headrace.fail" "ingress.enabled needs gateway.hosts, for example gateway.hosts={llm.example.org}." -}}
{{- end -}}
{{- if hasPrefix "*" (first .Values.gateway.hosts | default "") -}}
{{- include "headrace.fail"
    "gateway.hosts: the first one makes the URL that access tokens are issued under, so it cannot begin with *." -}}
{{- end -}}
{{- end }}

{{- define "headrace.check.canary" -}}
{{- with .Values.gateway.canary -}}
{{- if and .enabled (not $.Values.mesh.enabled) -}}
{{- include "headrace.fail" `gateway.canary.enabled needs mesh.enabled: without a mesh nothing shares requests between two
versions of the gateway.` -}}
{{- end -}}
{{- if and .enabled (not .tag) -}}
{{- include "headrace.fail" "gateway.canary.enabled needs gateway.canary.tag, the version to try." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Kinds that the cluster does not know. Only where there is a cluster: each has the API for aggregation, which Helm knows
nothing of when it renders without one.
*/}}
{{- define "headrace.check.cluster" -}}
{{- if .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" -}}
{{- $needed := dict
    "mesh.enabled" (list .Values.mesh.enabled "networking.istio.io/v1")
    "podMonitor.enabled" (list .Values.podMonitor.enabled "monitoring.coreos.com/v1")
    "secrets.externalSecret.enabled" (list .Values.secrets.externalSecret.enabled "external-secrets.io/v1") -}}
{{- range $value, $need := $needed -}}
{{- $api := last $need -}}
{{- if and (first $need) (not ($.Capabilities.APIVersions.Has $api)) -}}
{{- include "headrace.fail" (printf
    "%s is true, but this cluster does not know %s: install what has it, or set %s=false." $value $api $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Takes a workload. */}}
{{- define "headrace.check.workload" -}}
{{- $scaling := .autoscaling -}}
{{- $grace := int .terminationGracePeriodSeconds -}}
{{- $least := add (int .preStopSeconds) (int .drainSeconds) 15 | int -}}
{{- if lt $grace $least -}}
{{- include "headrace.fail" (printf
    "%s: terminationGracePeriodSeconds is %d, and must be at least preStopSeconds + drainSeconds + 15 = %d."
    .fullname $grace $least) -}}
{{- end -}}
{{- $least := int $scaling.minReplicas -}}
{{- $most := int $scaling.maxReplicas -}}
{{- if and (ne $scaling.mode "none") (gt $least $most) -}}
{{- include "headrace.fail" (printf
    "%s: autoscaling.minReplicas is %d, above autoscaling.maxReplicas, %d." .fullname $least $most) -}}
{{- end -}}
{{- if and (eq $scaling.mode "keda") (not $scaling.keda.queries) -}}
{{- include "headrace.fail" (printf "%s: autoscaling.mode=keda needs autoscaling.keda.queries." .fullname) -}}
{{- end -}}
{{- if and (eq $scaling.mode "hpa") (not (or $scaling.cpuUtilization $scaling.podMetrics)) -}}
{{- include "headrace.fail" (printf
    "%s: autoscaling.mode=hpa needs autoscaling.cpuUtilization or autoscaling.podMetrics." .fullname) -}}
{{- end -}}
{{- if gt (len (printf "%s-canary" .fullname)) 63 -}}
{{- include "headrace.fail" (printf
    "%s-canary is longer than 63 characters, the most of a Service's name: shorten the model's, or set fullnameOverride."
    .fullname) -}}
{{- end -}}
{{- end }}
