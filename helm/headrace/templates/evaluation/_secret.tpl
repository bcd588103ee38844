{{/*
A secret that was made before, or a new one; takes `known`, the data of the Secret, `key`, and `fresh`. Made anew at
each upgrade it would lock out the database that was made with the first one.
*/}}
{{- define "headrace.evaluation.kept" -}}
{{- with get .known .key }}{{ b64dec . }}{{ else }}{{ .fresh }}{{ end -}}
{{- end }}
