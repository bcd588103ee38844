{{/* The checks of models, beside those of every workload. */}}
{{- define "headrace.check.models" -}}
{{- if not (or .Values.inference.models .Values.gateway.discovery.enabled) -}}
{{- include "headrace.fail" `inference.models is empty, so nobody could ask for anything. Name a model, or set
gateway.discovery.enabled=true for model servers of another release.` -}}
{{- end -}}
{{- $callers := mustMergeOverwrite (deepCopy .Values.defaults.callers) .Values.inference.defaults.callers -}}
{{- $seen := list -}}
{{- range include "headrace.workloads" . | fromYamlArray -}}
{{- if eq .component "inference" -}}
{{- if has .name $seen -}}
{{- include "headrace.fail" (printf "inference.models: two models have the name %q." .name) -}}
{{- end -}}
{{- $seen = append $seen .name -}}
{{- if ne (toJson .callers) (toJson $callers) -}}
{{- include "headrace.fail" (printf
    "Model %q: models have one identity and one policy, and so the same callers: set inference.defaults.callers."
    .name) -}}
{{- end -}}
{{- include "headrace.check.modelFiles" . -}}
{{- include "headrace.check.modelCanary" . -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Takes a model. */}}
{{- define "headrace.check.modelFiles" -}}
{{- if and (include "headrace.preparesModel" .) (eq (empty .source.builtin) (empty .source.uri)) -}}
{{- include "headrace.fail" (printf
    "Model %q: set exactly one of source.builtin and source.uri, or storage.image with a prepared model." .name) -}}
{{- end -}}
{{- if and .storage.image (not .storage.imagePath) -}}
{{- include "headrace.fail" (printf
    "Model %q: storage.image needs storage.imagePath, where the model is in it." .name) -}}
{{- end -}}
{{- if and (eq .engine "openai") (not .remote.url) -}}
{{- include "headrace.fail" (printf
    "Model %q: engine openai needs remote.url, for example http://vllm:8000/v1." .name) -}}
{{- end -}}
{{- end }}

{{/* Takes a model. */}}
{{- define "headrace.check.modelCanary" -}}
{{- if regexMatch "-(stable|canary)$" .name -}}
{{- include "headrace.fail" (printf
    "Model %q: names that end in -stable or -canary are for the two versions of a model." .name) -}}
{{- end -}}
{{- if and .canary.enabled (mod (mul (int .weight) (int .canary.weight)) 100) -}}
{{- include "headrace.fail" (printf
    "Model %q: weight x canary.weight must be a multiple of 100, for weights are whole numbers. Multiply the weights of all models with id %q."
    .name .id) -}}
{{- end -}}
{{- end }}
