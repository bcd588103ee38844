{{/*
What several of Istio's objects have in common. The names of workloads and their merged values come
from the helpers of templates/.
*/}}

{{/* The DNS name of one of our Services: (dict "root" $ "name" "headrace-auth"). */}}
{{- define "headrace.mesh.host" -}}
{{ .name }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.mesh.clusterDomain }}
{{- end }}

{{/* Who presents a certificate: (dict "root" $ "namespace" "headrace" "serviceAccount" "headrace-auth"). */}}
{{- define "headrace.mesh.principal" -}}
{{ .root.Values.mesh.trustDomain }}/ns/{{ .namespace }}/sa/{{ .serviceAccount }}
{{- end }}

{{/* The hosts that the public may ask for, as a list in YAML. */}}
{{- define "headrace.mesh.publicHosts" -}}
{{ toYaml (.Values.gateway.hosts | default (list "*")) }}
{{- end }}

{{/* The Gateway that public requests come through, as `namespace/name`; empty if there is none. */}}
{{- define "headrace.mesh.edge" -}}
{{- if .Values.mesh.gateway.create -}}
{{ .Release.Namespace }}/{{ include "headrace.fullname" . }}-edge
{{- else -}}
{{ .Values.mesh.gateway.existing }}
{{- end }}
{{- end }}

{{/*
Annotations of pods in the mesh; takes `root` and `workload`.
Prometheus is in no mesh, so the port of the metrics is not the proxy's; NetworkPolicies tell whom it
answers. A native sidecar starts before the first container and ends after the last one, so nothing has to
hold the application, and neither EXIT_ON_ZERO_ACTIVE_CONNECTIONS nor terminationDrainDuration is needed. Once the
pod is told to end, the proxy takes leave of its callers within the time that the application still serves.
*/}}
{{- define "headrace.mesh.podAnnotations" -}}
{{- $sidecar := .root.Values.mesh.sidecar -}}
sidecar.istio.io/nativeSidecar: "true"
sidecar.istio.io/proxyCPU: {{ $sidecar.resources.cpu | quote }}
sidecar.istio.io/proxyMemory: {{ $sidecar.resources.memory | quote }}
sidecar.istio.io/proxyMemoryLimit: {{ $sidecar.resources.memoryLimit | quote }}
traffic.sidecar.istio.io/excludeInboundPorts: "9464"
proxy.istio.io/config: |
  concurrency: {{ $sidecar.concurrency }}
  drainDuration: {{ max 1 (int .workload.preStopSeconds) }}s
  proxyStatsMatcher:
    inclusionRegexps:
      {{- toYaml $sidecar.statistics | nindent 6 }}
{{- end }}

{{/*
What proxies call: one entry for each Service, which is that of its workload (`headrace.workloads`) with
  service  the Service's name
  host     its DNS name
  canary   with `enabled` if it has both versions, as subsets, to share requests between
Where each version has a Service of its own, the gateway chooses between them, and nothing is shared here.
*/}}
{{- define "headrace.mesh.callees" -}}
{{- $all := list -}}
{{- range $workload := include "headrace.workloads" . | fromYamlArray -}}
{{- $scope := dict "root" $ "workload" $workload -}}
{{- $canary := merge (dict) (include "headrace.canary" $scope | fromYaml) (dict "enabled" false) -}}
{{- $names := list $workload.fullname -}}
{{- if and $canary.enabled (eq $workload.component "inference") (include "headrace.servicePerTrack" $scope) -}}
{{- $canary = dict "enabled" false -}}
{{- $names = concat $names (list (printf "%s-stable" $workload.fullname) (printf "%s-canary" $workload.fullname)) -}}
{{- end -}}
{{- range $name := $names -}}
{{- $host := include "headrace.mesh.host" (dict "root" $ "name" $name) | trim -}}
{{- $all = append $all (merge (dict "service" $name "host" $host "canary" $canary) (omit $workload "canary")) -}}
{{- end -}}
{{- end -}}
{{ toYaml $all }}
{{- end }}

{{/* Services that a component calls, as `./host`: (dict "root" $ "component" "gateway"). */}}
{{- define "headrace.mesh.egressHosts" -}}
{{- $hosts := .root.Values.mesh.sidecar.egressHosts }}
{{- range include "headrace.mesh.callees" .root | fromYamlArray }}
{{- if hasKey .callers $.component }}
{{- $hosts = append $hosts (printf "./%s" .host) }}
{{- end }}
{{- end }}
{{- toYaml ($hosts | default (list "~/*")) }}
{{- end }}
