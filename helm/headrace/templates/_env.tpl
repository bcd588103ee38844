{{/*
The environment of a service: settings, then secrets, then `extraEnv`; takes `root` and `workload`. A setting that
is named in the values takes the place of the chart's own, also of a secret.
*/}}
{{- define "headrace.env" -}}
{{- $prefix := printf "HEADRACE_%s_" (upper .workload.component) -}}
{{- $settings := mustMergeOverwrite (include "headrace.settings" . | fromYaml) .workload.settings -}}
{{- range $name, $value := $settings }}
- name: {{ $prefix }}{{ $name }}
  value: {{ include "headrace.settingText" $value | quote }}
{{- end }}
{{- $secretName := include "headrace.secretName" .root }}
{{- range $name, $source := include (printf "headrace.secrets.%s" .workload.component) .workload | fromYaml }}
{{- if not (hasKey $settings $name) }}
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
