{{- define "ddpo.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: ddpo
{{- end }}

{{/* Labels by which the network policies know a pod. Takes the name of its component. */}}
{{- define "ddpo.component" -}}
app.kubernetes.io/part-of: ddpo
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "ddpo.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.user.uid }}
runAsGroup: {{ .Values.user.gid }}
fsGroup: {{ .Values.user.gid }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "ddpo.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* How a container finds the store. Credentials: the role of its service account, or the Secret of its identity. */}}
{{- define "ddpo.storeEnv" -}}
{{- with .Values.store.endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
- name: AWS_DEFAULT_REGION
  value: {{ .Values.store.region | quote }}
{{- end }}

{{/* Takes a list: the root context, and the identity. */}}
{{- define "ddpo.storeSecret" -}}
{{- $root := index . 0 }}{{ $identity := index . 1 }}
{{- if eq $root.Values.credentials.kind "secrets" }}
- secretRef:
    name: {{ required (printf "credentials.secrets.%s names a Secret" $identity) (index $root.Values.credentials.secrets $identity) }}
{{- end }}
{{- end }}

{{- define "ddpo.egress" -}}
{{- range . }}
- to:
    {{- with .namespace }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ . }}
    {{- else }}
    - ipBlock:
        cidr: {{ .cidr }}
    {{- end }}
  ports:
    - protocol: TCP
      port: {{ .port }}
{{- end }}
{{- end }}

{{- define "ddpo.dns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
  ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
{{- end }}

{{- define "ddpo.trackingUri" -}}
{{- .Values.tracking.uri | default (printf "http://ddpo-mlflow.%s:5000" .Release.Namespace) }}
{{- end }}

{{- define "ddpo.weightsClaim" -}}
{{- .Values.weights.existingClaim | default "ddpo-models" }}
{{- end }}

{{- define "ddpo.toTracking" -}}
{{- if .Values.tracking.uri }}
{{- include "ddpo.egress" .Values.tracking.egress }}
{{- else }}
- to:
    - podSelector:
        matchLabels:
          {{- include "ddpo.component" "mlflow" | nindent 10 }}
  ports:
    - protocol: TCP
      port: 5000
{{- end }}
{{- end }}
