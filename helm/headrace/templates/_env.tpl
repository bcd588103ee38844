{{/*
The environment of a service; takes `root` and `workload`. A setting that is named in the values takes the place of
the chart's own, also of a secret.
*/}}
{{- define "headrace.env" -}}
{{- $settings := mustMergeOverwrite (include "headrace.settings" . | fromYaml) .workload.settings -}}
{{- $secrets := include (printf "headrace.secrets.%s" .workload.component) .workload | fromYaml -}}
{{ include "headrace.envOf" (merge (dict "settings" $settings "secrets" $secrets) .) }}
{{- end }}

{{/* Settings, then secrets, then `extraEnv`; takes `root`, `workload`, `settings` and `secrets`. */}}
{{- define "headrace.envOf" -}}
{{- $prefix := printf "HEADRACE_%s_" (upper .workload.component) -}}
{{- $secretName := include "headrace.secretName" .root }}
{{- range $name, $value := .settings }}
- name: {{ $prefix }}{{ $name }}
  value: {{ include "headrace.settingText" $value | quote }}
{{- end }}
{{- range $name, $source := .secrets }}
{{- if not (hasKey $.settings $name) }}
- name: {{ $prefix }}{{ $name }}
  valueFrom:
    secretKeyRef: {{ mustMerge (dict) $source (dict "name" $secretName) | toJson }}
{{- end }}
{{- end }}
{{- with .workload.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A setting as an environment variable has it: numbers in full, lists and maps as JSON. */}}
{{- define "headrace.settingText" -}}
{{ kindIs "string" . | ternary . (toJson .) }}
{{- end }}
