{{/*
When a migration runs. Where the Secret is there before the release, it is a hook: nothing of the release changes
before it has succeeded. A Secret that comes with the release is none that a hook could wait for (with --wait it
would wait for ever), so the Job is one of the release's objects then, with a name for each thing that it does;
services of the new version wait for the schema either way.
*/}}
{{- define "headrace.migrationIsHook" -}}
{{- if .Values.secrets.existingSecret }}yes{{ end -}}
{{- end }}

{{/* Takes `root` and `weight`. */}}
{{- define "headrace.migrationAnnotations" -}}
{{- if include "headrace.migrationIsHook" .root -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
# The last one stays, so that its log can be read.
helm.sh/hook-delete-policy: before-hook-creation
{{- end }}
{{- end }}

{{- define "headrace.migrationAccount" -}}
{{ include "headrace.fullname" . }}-migration
{{- end }}

{{/* Takes `root` and `workload`. A Job cannot be changed, so one that is no hook is named by what it runs. */}}
{{- define "headrace.migrationName" -}}
{{ .workload.fullname }}-migration
{{- if not (include "headrace.migrationIsHook" .root) -}}
-{{ include "headrace.migrationPod" . | sha256sum | trunc 8 }}
{{- end -}}
{{- end }}

{{/* Not the service's labels, or its Service would send requests here; and no sidecar, which would be of no use. */}}
{{- define "headrace.migrationLabels" -}}
{{ include "headrace.componentSelector" (dict "root" .root "component" (printf "%s-migration" .workload.component)) }}
{{ include "headrace.injectionLabel" (dict "root" .root "inject" false) }}
{{- end }}

{{/* Of the service's secrets the database alone. */}}
{{- define "headrace.migrationEnv" -}}
{{- $secrets := dict "DATABASE_URL" (dict "key" (printf "%s-database-url" .workload.component)) -}}
{{ include "headrace.envOf" (merge (dict "settings" .workload.settings "secrets" $secrets) .) }}
{{- end }}

{{- define "headrace.migrationPod" -}}
{{ include "headrace.podBasics" . }}
serviceAccountName: {{ include "headrace.migrationAccount" .root }}
automountServiceAccountToken: false
restartPolicy: Never
containers:
  - name: migration
    image: {{ include "headrace.image" . }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    command: [python, -m, headrace_{{ .workload.component }}.migrate]
    env:
      {{- include "headrace.migrationEnv" . | trim | nindent 6 }}
    resources:
      {{- toYaml .root.Values.migration.resources | nindent 6 }}
    securityContext:
      {{- include "headrace.containerSecurity" . | nindent 6 }}
    volumeMounts:
      {{- include "headrace.volumeMounts" . | nindent 6 }}
volumes:
  {{- include "headrace.volumes" . | nindent 2 }}
{{- end }}
