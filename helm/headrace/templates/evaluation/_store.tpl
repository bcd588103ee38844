{{/*
A database of one pod with its Service; takes `root`, `name`, `component`, `port`, `user` (of the image) and `pod`, the
name of the template with the container and what is its alone.
*/}}
{{- define "headrace.evaluation.store" -}}
{{- $fullname := printf "%s-%s" (include "headrace.fullname" .root) .name -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "headrace.labels" . | nindent 4 }}
spec:
  selector:
    {{- include "headrace.evaluation.selector" . | nindent 4 }}
  ports:
    - {name: {{ .component }}, port: {{ .port }}, targetPort: {{ .component }}, appProtocol: tcp}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "headrace.labels" . | nindent 4 }}
spec:
  serviceName: {{ $fullname }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "headrace.evaluation.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "headrace.evaluation.selector" . | nindent 8 }}
        {{ include "headrace.injectionLabel" (dict "root" .root "inject" false) }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ .user }}
        runAsGroup: {{ .user }}
        fsGroup: {{ .user }}
        seccompProfile:
          type: RuntimeDefault
      {{- include .pod . | nindent 6 }}
{{- end }}

{{- define "headrace.evaluation.selector" -}}
{{ include "headrace.componentSelector" . }}
headrace.dev/store: {{ .name }}
{{- end }}

{{- define "headrace.evaluation.password" -}}
valueFrom:
  secretKeyRef: {name: {{ include "headrace.secretName" .root }}, key: {{ .component }}-password}
{{- end }}

{{- define "headrace.evaluation.probes" -}}
readinessProbe:
  tcpSocket: {port: {{ .component }}}
  periodSeconds: 5
livenessProbe:
  tcpSocket: {port: {{ .component }}}
  periodSeconds: 20
  failureThreshold: 6
{{- end }}
