"""The kubernetes profile: a step is a pod, and no worker waits for it.

Airflow's KubernetesPodOperator makes the pod, lets the triggerer wait and, if its worker dies, finds the pod again.
This class says what the pod may do and what its end means: exit code -> try again or fail, and why, in one line.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from components.core.contracts import StepName
from dags.pipeline import environment, reward_images
from dags.pipeline.environment import TRACKING_STEP, Environment, Resources, Volume
from dags.pipeline.exit_codes import failure, meaning
from dags.pipeline.local import reason
from dags.pipeline.steps import argv

USER = 10001
"""The images' user and group."""
GPU = "nvidia.com/gpu"
POLL_SECONDS = 5
LOG_SECONDS = 60
"""How often the log of a running pod is brought to Airflow."""
SPARE = timedelta(minutes=5)
"""What Airflow waits beyond the pod's own deadlines: only where a node is lost does nobody keep those."""


class KubernetesStepOperator(KubernetesPodOperator):
    """One step as a pod."""

    ui_color = "#e6eefb"

    def __init__(self, *, step: StepName, request: Any, **kwargs: Any) -> None:
        deployment = environment.current()
        settings, resources = deployment.kubernetes, deployment.resources_of(step)
        python, *arguments = argv(step, request)
        waits = timedelta(seconds=settings.schedule_seconds + settings.startup_seconds)
        super().__init__(
            **kwargs | {"execution_timeout": waits + timedelta(minutes=resources.minutes) + SPARE},
            **_base(step, deployment),
            name=f"ddpo-{step}",
            namespace=settings.namespace,
            kubernetes_conn_id=settings.connection,
            cmds=[python],
            arguments=arguments,
            env_vars=_variables(deployment.variables_of(step)),
            labels={"app.kubernetes.io/part-of": "ddpo", "app.kubernetes.io/component": str(step)},
            schedule_timeout_seconds=settings.schedule_seconds,
            startup_timeout_seconds=settings.startup_seconds,
            termination_message_policy="FallbackToLogsOnError",  # the last lines become the pod's reason
            deferrable=True,
            durable=True,
            do_xcom_push=False,
            poll_interval=POLL_SECONDS,
            logging_interval=LOG_SECONDS,
            log_events_on_failure=True,
            log_pod_spec_on_failure=False,
            container_name_log_prefix_enabled=False,
        )
        self.step = step

    def run_instead(self, command: list[str]) -> None:
        """Run another command than the step's, in the step's image."""
        self.cmds, self.arguments = command[:1], command[1:]

    def execute(self, context: Any) -> None:
        """Make the pod, or find the one that an earlier attempt made, and wait without a worker."""
        self.use_own_image()
        try:
            super().execute(context)
        except ApiException as error:
            raise AirflowException(f"{self.step}: the cluster: {_said(error)}") from error

    def use_own_image(self) -> None:
        """Where the request's reward has an image of its own, take that: it wins over the pod's template."""
        deployment = environment.current()
        if image := reward_images.own_image(self.step, [*self.cmds, *self.arguments], deployment):
            self.image, self.env_vars = image, _variables(deployment.variables_of(self.step, image=image))

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> None:
        """Go on after the pod's end, or at a time limit. The pod is gone then; what is known of it is not."""
        try:
            super().trigger_reentry(context, event)
        except AirflowException as error:
            raise end_of(self.step, self.pod, str(event.get("message") or error)) from None


def end_of(step: StepName, pod: k8s.V1Pod | None, otherwise: str) -> AirflowException:
    """Why a pod failed, in one line, as the exception that says whether to try again."""
    status = pod.status if pod is not None and pod.status is not None else k8s.V1PodStatus()
    containers = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
    ended = next((c.state.terminated for c in containers if c.state.terminated and c.state.terminated.exit_code), None)
    waiting = next((c.state.waiting for c in containers if c.state.waiting and c.state.waiting.message), None)
    if status.reason:  # DeadlineExceeded, Evicted, NodeLost: whatever the code, the step is not to blame
        return AirflowException(f"{step}: {status.reason}: {_one_line(status.message or otherwise)}")
    if ended is not None:
        how = ended.reason if ended.reason not in (None, "Error") else meaning(ended.exit_code)
        return failure(ended.exit_code, f"{step}: {how}: {reason((ended.message or '').splitlines())}")
    if waiting is not None:  # ImagePullBackOff, CreateContainerConfigError
        return AirflowException(f"{step}: {waiting.reason}: {_one_line(waiting.message)}")
    return AirflowException(f"{step}: {_one_line(otherwise)}")


def pod_of(step: StepName, deployment: Environment) -> k8s.V1Pod:
    """The pod that a step runs in: no root, no capabilities, no token, nothing to write to but /tmp."""
    settings, resources = deployment.kubernetes, deployment.resources_of(step)
    volumes = [
        k8s.V1Volume(name="scratch", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit=resources.scratch)),
        k8s.V1Volume(  # processes of one step meet here; the default of 64 MiB ends them. It counts as memory
            name="shared-memory",
            empty_dir=k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=resources.memory),
        ),
        *(_claim(number, volume) for number, volume in enumerate(deployment.volumes)),
    ]
    mounts = [
        k8s.V1VolumeMount(name="scratch", mount_path="/tmp"),
        k8s.V1VolumeMount(name="shared-memory", mount_path="/dev/shm"),
        *(
            k8s.V1VolumeMount(name=f"volume-{number}", mount_path=volume.target, read_only=volume.read_only)
            for number, volume in enumerate(deployment.volumes)
        ),
    ]
    container = k8s.V1Container(
        name="base",
        image=deployment.image(step),
        image_pull_policy="IfNotPresent",
        env_from=[
            k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=name)) for name in secrets_of(step, deployment)
        ],
        resources=_resources(resources),
        security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            privileged=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        volume_mounts=mounts,
    )
    spec = k8s.V1PodSpec(
        containers=[container],
        volumes=volumes,
        restart_policy="Never",  # Airflow tries again, with a new attempt
        active_deadline_seconds=60 * resources.minutes,
        termination_grace_period_seconds=30,
        service_account_name=f"{settings.service_account_prefix}{step}",
        automount_service_account_token=False,
        enable_service_links=False,
        security_context=k8s.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
        ),
        node_selector=resources.node_selector or None,
        tolerations=[k8s.V1Toleration(key=key, operator="Exists") for key in resources.tolerations] or None,
        priority_class_name=settings.priority_class,
        image_pull_secrets=[k8s.V1LocalObjectReference(name=name) for name in settings.image_pull_secrets] or None,
    )
    annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    return k8s.V1Pod(metadata=k8s.V1ObjectMeta(annotations=annotations, labels={}), spec=spec)


def secrets_of(step: StepName, deployment: Environment) -> list[str]:
    """Names of the Secrets whose keys become a step's environment."""
    settings = deployment.kubernetes
    tracking = [settings.tracking_secret] if settings.tracking_secret and step == TRACKING_STEP else []
    return [name.replace("{step}", step) for name in settings.secrets] + tracking


def _base(step: StepName, deployment: Environment) -> dict[str, Any]:
    """What the operator starts from: the deployment's own template of a pod, or ours."""
    if (templates := deployment.kubernetes.pod_templates) is not None:
        return {"pod_template_file": f"{templates}/{step}.yaml"}
    return {"full_pod_spec": pod_of(step, deployment)}


def _variables(values: dict[str, str]) -> list[k8s.V1EnvVar]:
    return [k8s.V1EnvVar(name, value) for name, value in values.items()]


def _resources(resources: Resources) -> k8s.V1ResourceRequirements:
    """Memory's limit is its request: a step is never killed because its neighbour grew."""
    asked = {"memory": resources.memory, "ephemeral-storage": resources.scratch}
    gpus = {GPU: str(resources.gpus)} if resources.gpus else {}
    return k8s.V1ResourceRequirements(
        requests={"cpu": f"{round(resources.cpus * 1000)}m", **asked}, limits={**asked, **gpus}
    )


def _claim(number: int, volume: Volume) -> k8s.V1Volume:
    source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=volume.source, read_only=volume.read_only)
    return k8s.V1Volume(name=f"volume-{number}", persistent_volume_claim=source)


def _said(error: ApiException) -> str:
    """What the API answered: its own sentence, where there is one."""
    try:
        said = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        said = f"{error.status} {error.reason}"
    return _one_line(str(said))


def _one_line(text: str) -> str:
    return " ".join(text.split())
