{{/*
One step's pod, as KubernetesPodOperator's `pod_template_file`: it fills in name, arguments,
the places of store and MLflow, and the run's labels.
Takes a list: the root context, and the step. The container is called `base`, as the operator expects.
*/}}
{{- define "ddpo.stepPod" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $step := index $root.Values.steps $name }}
apiVersion: v1
kind: Pod
metadata:
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "ddpo.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $name }}
  annotations:
    cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
spec:
  serviceAccountName: ddpo-{{ $name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Never
  activeDeadlineSeconds: {{ $step.deadlineSeconds }}
  terminationGracePeriodSeconds: 30
  {{- if $root.Values.priorityClasses.create }}
  priorityClassName: {{ $root.Values.priorityClasses.prefix }}-steps
  {{- end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $step.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $step.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "ddpo.podSecurity" $root | nindent 4 }}
  containers:
    - name: base
      image: {{ index $root.Values.images $step.image }}
      imagePullPolicy: IfNotPresent
      securityContext:
        {{- include "ddpo.containerSecurity" $root | nindent 8 }}
      env:
        - name: HF_HUB_OFFLINE
          value: "1"
        {{- if and (include "ddpo.needsWeights" $name) $root.Values.weights.enabled }}
        - name: DDPO_MODELS
          value: /models
        {{- end }}
      {{- $own := dict "registration" $root.Values.tracking.secret "scoring" $root.Values.rewardSecret }}
      {{- if or (eq $root.Values.credentials.kind "secrets") (get $own $name) }}
      envFrom:
        {{- with include "ddpo.storeSecret" (list $root $name) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with get $own $name }}
        - secretRef:
            name: {{ . }}
        {{- end }}
      {{- end }}
      resources:
        requests:
          cpu: {{ $step.cpu | quote }}
          memory: {{ $step.memory }}
          ephemeral-storage: {{ $step.scratch }}
        limits:
          # Memory's limit is its request: a step is never killed because its neighbour grew. CPU may be borrowed.
          memory: {{ $step.memory }}
          ephemeral-storage: {{ $step.scratch }}
          {{- if $step.gpus }}
          nvidia.com/gpu: {{ $step.gpus }}
          {{- end }}
      # A killed step's last lines become the pod's reason, and so the task's error.
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: scratch, mountPath: /tmp}
        - {name: shared-memory, mountPath: /dev/shm}
        {{- if and (include "ddpo.needsWeights" $name) $root.Values.weights.enabled }}
        - {name: models, mountPath: /models, readOnly: true}
        {{- end }}
  volumes:
    - name: scratch
      emptyDir:
        sizeLimit: {{ $step.scratch }}
    # torchrun's workers meet in shared memory; the default of 64 MiB ends them with a bus error. It counts as memory.
    - name: shared-memory
      emptyDir:
        medium: Memory
        sizeLimit: {{ $step.memory }}
    {{- if and (include "ddpo.needsWeights" $name) $root.Values.weights.enabled }}
    - name: models
      persistentVolumeClaim:
        claimName: {{ include "ddpo.weightsClaim" $root }}
        readOnly: true
    {{- end }}
{{- end }}

{{/* Registration reads the base's card and layout; prompts and evaluation read tables and pictures only. */}}
{{- define "ddpo.needsWeights" -}}
{{- if has . (list "sampling" "scoring" "training" "registration") }}yes{{ end }}
{{- end }}
