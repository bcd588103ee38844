{{/* The pod of a service; takes `root` and `workload`. */}}
{{- define "headrace.pod" -}}
{{ include "headrace.podBasics" . }}
serviceAccountName: {{ .workload.serviceAccount }}
automountServiceAccountToken: {{ include "headrace.talksToKubernetes" . }}
terminationGracePeriodSeconds: {{ .workload.terminationGracePeriodSeconds }}
{{- with .workload.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- include "headrace.placement" . }}
{{- if and (eq .workload.component "inference") (include "headrace.preparesModel" .workload) }}
initContainers:
  {{- include "headrace.prepareContainer" . | nindent 2 }}
{{- end }}
containers:
  - {{ include "headrace.container" . | nindent 4 | trim }}
volumes:
  {{- include "headrace.volumes" . | nindent 2 }}
{{- end }}

{{/* What it has in common with the pod of its migration, which may come before any other object of the release. */}}
{{- define "headrace.podBasics" -}}
# Variables for Services would be taken for settings: HEADRACE_AUTH_PORT, if a Service is called headrace-auth.
enableServiceLinks: false
securityContext:
  {{- include "headrace.podSecurity" . | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A token for the Kubernetes API is for the gateway alone, and only if it looks for Services. */}}
{{- define "headrace.talksToKubernetes" -}}
{{ and (eq .workload.component "gateway") .root.Values.gateway.discovery.enabled }}
{{- end }}

{{- define "headrace.container" -}}
name: {{ .workload.component }}
image: {{ include "headrace.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  {{- include "headrace.env" . | trim | nindent 2 }}
ports:
  {{- if eq .workload.component "gateway" }}
  - {name: http, containerPort: 8080}
  {{- end }}
  - {name: grpc, containerPort: 9000}
  - {name: metrics, containerPort: 9464}
{{- include "headrace.probes" . }}
{{- with .workload.preStopSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ . }}
{{- end }}
{{- with .workload.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "headrace.containerSecurity" . | nindent 2 }}
volumeMounts:
  {{- include "headrace.volumeMounts" . | nindent 2 }}
{{- end }}

{{- define "headrace.podAnnotations" -}}
{{- if .root.Values.mesh.enabled -}}
{{ include "headrace.mesh.podAnnotations" . }}
{{- end }}
{{- with .workload.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
