{{/* The volumes of a service's pod, and where it has them; each takes `root` and `workload`. */}}
{{- define "headrace.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if eq .workload.component "gateway" }}
{{ include "headrace.gatewayVolumes" .root }}
{{- else if and (eq .workload.component "inference") (include "headrace.hasModelFiles" .workload) }}
{{ include "headrace.modelVolume" .workload }}
{{- end }}
{{- with .workload.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "headrace.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if eq .workload.component "gateway" }}
{{ include "headrace.gatewayMounts" .root }}
{{- else if and (eq .workload.component "inference") (include "headrace.hasModelFiles" .workload) }}
- {name: model, mountPath: {{ include "headrace.modelDirectory" .workload }}, readOnly: true}
{{- end }}
{{- with .workload.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The spool outlives its container, and is empty before a pod ends that was told to. */}}
{{- define "headrace.gatewayVolumes" -}}
- name: spool
  emptyDir:
    # What the gateway fills, and as much for what `audit` rejected, for it is never thrown away.
    sizeLimit: {{ mul .Values.gateway.spool.mebibytes 2 }}Mi
{{- if not .Values.gateway.discovery.enabled }}
- name: routes
  configMap:
    name: {{ include "headrace.fullname" . }}-routes
{{- end }}
{{- if .Values.gateway.guardPolicies }}
- name: guard-policies
  configMap:
    name: {{ include "headrace.fullname" . }}-guard-policies
{{- end }}
{{- end }}

{{- define "headrace.gatewayMounts" -}}
- {name: spool, mountPath: /var/lib/headrace/spool}
{{- if not .Values.gateway.discovery.enabled }}
- {name: routes, mountPath: /etc/headrace/routes, readOnly: true}
{{- end }}
{{- if .Values.gateway.guardPolicies }}
- {name: guard-policies, mountPath: /etc/headrace/guard, readOnly: true}
{{- end }}
{{- end }}
