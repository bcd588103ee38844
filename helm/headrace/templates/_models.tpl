{{/* Where a model's files are, and how they come there. Each takes a model's workload, or `root` and `workload`. */}}

{{/* Not empty for engines that read files. */}}
{{- define "headrace.hasModelFiles" -}}
{{- if has .engine (list "llamacpp" "transformers") }}yes{{ end -}}
{{- end }}

{{/* Not empty if files must be prepared: those of an image are ready. */}}
{{- define "headrace.preparesModel" -}}
{{- if and (include "headrace.hasModelFiles" .) (not .storage.image) }}yes{{ end -}}
{{- end }}

{{- define "headrace.modelDirectory" -}}
/models/{{ .name }}
{{- end }}

{{/*
What the engine opens. A prepared model is told by a link whose name has a digest of the source: in a volume that
pods of two versions share, each version's link stays its own.
*/}}
{{- define "headrace.modelPath" -}}
{{- if .storage.image -}}
{{ include "headrace.modelDirectory" . }}/{{ .storage.imagePath }}
{{- else -}}
{{ include "headrace.modelDirectory" . }}/current-{{ list .engine .source | toJson | sha256sum | trunc 8 }}
{{- end -}}
{{- end }}

{{- define "headrace.modelVolume" -}}
- name: model
  {{- if .storage.image }}
  image:
    reference: {{ .storage.image }}
  {{- else if or .storage.existingClaim .storage.size }}
  persistentVolumeClaim:
    claimName: {{ .storage.existingClaim | default .fullname }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .storage.emptyDirSize }}
  {{- end }}
{{- end }}

{{/* Downloads the model, or takes it from the volume, and makes it what the engine reads fast. */}}
{{- define "headrace.prepareContainer" -}}
- name: prepare
  image: {{ include "headrace.image" . }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command:
    - python
    - -m
    - headrace_inference.prepare
    - --directory={{ include "headrace.modelDirectory" .workload }}
    - --format={{ eq .workload.engine "transformers" | ternary "transformers" "gguf" }}
    - --link={{ include "headrace.modelPath" .workload }}
    {{- with .workload.source }}
    {{- if .uri }}
    - --source={{ .uri }}
    {{- with .sha256 }}
    - --sha256={{ . }}
    {{- end }}
    {{- else }}
    - --model={{ .builtin }}
    {{- end }}
    {{- end }}
  env:
    # The hub's library writes beside the model, not into a home that is read-only.
    - {name: HF_HOME, value: {{ include "headrace.modelDirectory" .workload }}/.hub}
    {{- with .workload.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .workload.resources | nindent 4 }}
  securityContext:
    {{- include "headrace.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: model, mountPath: {{ include "headrace.modelDirectory" .workload }}}
{{- end }}
