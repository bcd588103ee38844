{{/*
Every template loops over one of two lists, and never over the values themselves:

  headrace.workloads    one entry for each Service: the services, and the models
  headrace.deployments  one entry for each Deployment: the same, and the canaries

An entry is what `defaults` says, with what the service's or the model's own values say in its place, and
  component       gateway, auth, cache, audit or inference
  fullname        of the Service, and of all that there is once for it
  serviceAccount  whose identity its pods have
  deployment      the Deployment's name: `fullname`, or `<fullname>-canary`
  track           stable or canary, of the gateway and of models; else empty
A model's entry also has what `inference.defaults` documents, `name` and `id`; a service's `name` is empty.
Use: {{ range include "headrace.workloads" . | fromYamlArray }}.
*/}}
{{- define "headrace.workloads" -}}
{{- $all := list -}}
{{- range $component, $own := .Values.services -}}
{{- $values := mustMergeOverwrite (deepCopy $.Values.defaults) (deepCopy $own) -}}
{{- $scope := dict "root" $ "component" $component "values" $values -}}
{{- $all = append $all (include "headrace.workload" $scope | fromYaml) -}}
{{- end -}}
{{- range $own := .Values.inference.models -}}
{{- $defaults := mustMergeOverwrite (deepCopy $.Values.defaults) (deepCopy $.Values.inference.defaults) -}}
{{- $scope := dict "root" $ "component" "inference" "values" (mustMergeOverwrite $defaults (deepCopy $own)) -}}
{{- $all = append $all (include "headrace.workload" $scope | fromYaml) -}}
{{- end -}}
{{ toYaml $all }}
{{- end }}

{{/* One entry of the list; takes `root`, `component` and `values`. */}}
{{- define "headrace.workload" -}}
{{- $account := printf "%s-%s" (include "headrace.fullname" .root) .component -}}
{{- $name := .values.name | default "" -}}
{{- $fullname := compact (list $account $name) | join "-" -}}
{{- $computed := dict
    "component" .component "name" $name "fullname" $fullname "serviceAccount" $account "deployment" $fullname
    "track" (has .component (list "gateway" "inference") | ternary "stable" "") -}}
{{- $small := dict -}}
{{- if .root.Values.evaluation.enabled -}}
{{- $small = dict "replicas" 1 "autoscaling" (dict "mode" "none") -}}
{{- end -}}
{{ toYaml (mustMergeOverwrite .values $computed $small) }}
{{- end }}

{{- define "headrace.deployments" -}}
{{- $all := list -}}
{{- range include "headrace.workloads" . | fromYamlArray -}}
{{- $all = append $all . -}}
{{- $canary := include "headrace.canary" (dict "root" $ "workload" .) | fromYaml -}}
{{- if $canary.enabled -}}
{{- $all = append $all (include "headrace.canaryDeployment" (dict "workload" . "canary" $canary) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{ toYaml $all }}
{{- end }}

{{/* The `canary` of a workload, the gateway's or a model's; {} of others. */}}
{{- define "headrace.canary" -}}
{{- if eq .workload.component "gateway" -}}
{{ toYaml .root.Values.gateway.canary }}
{{- else -}}
{{ toYaml (.workload.canary | default dict) }}
{{- end -}}
{{- end }}

{{/* A workload as its canary runs it: with a name, a track and a fixed number of pods of its own. */}}
{{- define "headrace.canaryDeployment" -}}
{{- $computed := dict
    "deployment" (printf "%s-canary" .workload.fullname) "track" "canary"
    "replicas" .canary.replicas "autoscaling" (dict "mode" "none") -}}
{{- $changed := dict -}}
{{- with .canary.tag }}{{ $_ := set $changed "image" (dict "tag" .) }}{{ end -}}
{{- with .canary.version }}{{ $_ := set $changed "version" . }}{{ end -}}
{{- with .canary.settings }}{{ $_ := set $changed "settings" . }}{{ end -}}
{{- $merged := mustMergeOverwrite (deepCopy .workload) $computed $changed -}}
{{- /* Another source is another one altogether: a digest of the stable one must not stay. */ -}}
{{- with .canary.source }}{{ $_ := set $merged "source" . }}{{ end -}}
{{ toYaml $merged }}
{{- end }}

{{/* The fewest pods that a workload has; takes it. */}}
{{- define "headrace.fewestPods" -}}
{{ eq .autoscaling.mode "none" | ternary .replicas .autoscaling.minReplicas }}
{{- end }}

{{/* The most pods that a workload has; takes it. */}}
{{- define "headrace.mostPods" -}}
{{ eq .autoscaling.mode "none" | ternary .replicas .autoscaling.maxReplicas }}
{{- end }}

{{/* The image of a workload; takes `root` and `workload`. */}}
{{- define "headrace.image" -}}
{{- $repository := printf "%s/headrace-%s" .root.Values.image.registry .workload.component -}}
{{- $tag := .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{ .workload.image.repository | default $repository }}:{{ .workload.image.tag | default $tag }}
{{- end }}
