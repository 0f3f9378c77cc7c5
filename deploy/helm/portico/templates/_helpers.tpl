{{- define "portico.name" -}}
{{- if contains "portico" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-portico" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "portico.selector" -}}
app.kubernetes.io/name: portico
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "portico.labels" -}}
{{ include "portico.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "portico.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "portico.name" .) }}
{{- end }}

{{- define "portico.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end }}
{{- end }}

{{/* What the schema cannot say: sessions of several replicas need Redis. */}}
{{- define "portico.check" -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}
{{- $redis := or (has "REDIS_URL" .Values.secrets.names) (hasKey .Values.settings "REDIS_URL_FILE") }}
{{- if and $several (not $redis) }}
{{- fail "Several replicas share their sessions in Redis: add REDIS_URL to secrets.names, or set replicaCount: 1 and settings.ALLOW_MEMORY_STORE: \"true\"." }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.operator.enabled) }}
{{- fail "serviceMonitor needs operator.enabled: the metrics are on the operator's port." }}
{{- end }}
{{- end }}
