{{/*
Which keys of the one Secret a service gets, and as which settings: NAME: {key, optional}. One template for each
service; each takes the workload.
*/}}
{{- define "headrace.secrets.gateway" -}}
ADMISSION_REDIS_URL: {key: admission-redis-url}
{{- end }}

{{- define "headrace.secrets.auth" -}}
DATABASE_URL: {key: auth-database-url}
# Admission's: where gateways look for what auth has ended.
REDIS_URL: {key: admission-redis-url}
KEY_ENCRYPTION_KEY: {key: key-encryption-key}
BOOTSTRAP_TOKEN: {key: bootstrap-token, optional: true}
SMTP_PASSWORD: {key: smtp-password, optional: true}
IDENTITY_PROVIDERS: {key: identity-providers, optional: true}
{{- end }}

{{- define "headrace.secrets.cache" -}}
REDIS_URL: {key: cache-redis-url}
{{- end }}

{{- define "headrace.secrets.audit" -}}
DATABASE_URL: {key: audit-database-url}
{{- end }}

{{- define "headrace.secrets.inference" -}}
ANSWER_SIGNING_KEYS: {key: answer-signing-keys, optional: true}
{{- if and (eq .engine "openai") .remote.apiKeySecret.name }}
REMOTE_API_KEY: {{ toJson .remote.apiKeySecret }}
{{- end }}
{{- end }}
