{{/* Parts of the EnvoyFilter that limits rates. */}}

{{/* Envoy's local rate limit; takes `mesh.edgeRateLimit`. */}}
{{- define "headrace.mesh.rateLimit" -}}
stat_prefix: headrace_edge
status:
  code: TooManyRequests
# To a gRPC client: UNAVAILABLE would be tried again at once.
rate_limited_as_resource_exhausted: true
response_headers_to_add:
  - header: {key: retry-after, value: "1"}
    append_action: OVERWRITE_IF_EXISTS_OR_ADD
filter_enabled:
  runtime_key: headrace_edge_rate_limit_enabled
  default_value: {numerator: 100, denominator: HUNDRED}
filter_enforced:
  runtime_key: headrace_edge_rate_limit_enforced
  default_value: {numerator: 100, denominator: HUNDRED}
# A must, and for requests without an address only, of which there are none.
token_bucket:
  {{- include "headrace.mesh.bucket" .perAddress | nindent 2 }}
always_consume_default_token_bucket: false
# Of a descriptor without a value each address gets a bucket; the one that was used longest ago makes room.
max_dynamic_descriptors: {{ int .maxAddresses }}
descriptors:
  - entries:
      - {key: credential, value: none}
      - {key: masked_remote_address}
    token_bucket:
      {{- include "headrace.mesh.bucket" .withoutCredential | nindent 6 }}
  - entries:
      - {key: masked_remote_address}
    token_bucket:
      {{- include "headrace.mesh.bucket" .perAddress | nindent 6 }}
rate_limits:
  - actions:
      - header_value_match:
          descriptor_key: credential
          descriptor_value: none
          headers:
            {{- range list "authorization" "x-api-key" "signature-input" }}
            - {name: {{ . }}, present_match: false}
            {{- end }}
      - masked_remote_address: {{ include "headrace.mesh.addressMask" . }}
  - actions:
      - masked_remote_address: {{ include "headrace.mesh.addressMask" . }}
{{- end }}

{{- define "headrace.mesh.bucket" -}}
max_tokens: {{ int .burst }}
tokens_per_fill: {{ int .requestsPerSecond }}
fill_interval: 1s
{{- end }}

{{/* One subscriber has a whole IPv6 network. */}}
{{- define "headrace.mesh.addressMask" -}}
{v4_prefix_mask_len: 32, v6_prefix_mask_len: {{ int .ipv6PrefixLength }}}
{{- end }}
