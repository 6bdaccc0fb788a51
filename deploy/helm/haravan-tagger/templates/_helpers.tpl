{{- define "tagger.labels" -}}
app.kubernetes.io/name: haravan-tagger
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "tagger.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "tagger.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The environment of web, console and worker: the Secret's settings, then those of the values. */}}
{{- define "tagger.environment" -}}
envFrom:
  - secretRef: {name: {{ .root.Values.existingSecret }}}
env:
  - {name: TRUSTED_PROXIES, value: {{ .root.Values.trustedProxies | quote }}}
  {{- if .serve }}
  - {name: SERVE, value: {{ .serve }}}
  {{- end }}
  {{- range $name, $value := .root.Values.settings }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  {{- if or .root.Values.store.enabled .root.Values.queue.enabled }}
  # $(STORE_PASSWORD) is replaced by Kubernetes; it comes from the Secret.
  - name: STORE_PASSWORD
    valueFrom: {secretKeyRef: {name: {{ .root.Values.existingSecret }}, key: STORE_PASSWORD}}
  {{- end }}
  {{- if .root.Values.store.enabled }}
  - {name: REDIS_URL, value: "redis://:$(STORE_PASSWORD)@{{ .root.Release.Name }}-store:6379/0"}
  {{- end }}
  {{- if .root.Values.queue.enabled }}
  - {name: QUEUE_URL, value: "redis://:$(STORE_PASSWORD)@{{ .root.Release.Name }}-queue:6379/0"}
  {{- end }}
{{- end }}

{{- define "tagger.podSpec" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A Deployment of one part of the service. */}}
{{- define "tagger.deployment" -}}
{{- $root := .root }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $root.Release.Name }}-{{ .part }}
  labels: {{ include "tagger.labels" . | nindent 4 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels: {{ include "tagger.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{ include "tagger.labels" . | nindent 8 }}
      {{- with $root.Values.podAnnotations }}
      annotations: {{ toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "tagger.podSpec" (dict "root" $root "user" 10001) | nindent 6 }}
      # A process ends what it has begun: a request within 10 s, a drain within 12 s.
      terminationGracePeriodSeconds: 40
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{ include "tagger.labels" . | nindent 14 }}
      containers:
        - name: {{ .part }}
          image: {{ include "tagger.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          {{- if .command }}
          command: {{ toJson .command }}
          {{- end }}
          {{- include "tagger.environment" . | nindent 10 }}
          {{- if .serve }}
          ports:
            - {name: http, containerPort: 8000}
          startupProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 2
            failureThreshold: 30
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 3
            timeoutSeconds: 3
          lifecycle:
            # The pod is taken out of the service before it stops to accept connections.
            preStop: {exec: {command: [sleep, "5"]}}
          {{- end }}
          resources: {{ toYaml .values.resources | nindent 12 }}
          securityContext: {{ include "tagger.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
      volumes:
        - name: tmp
          emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end }}
