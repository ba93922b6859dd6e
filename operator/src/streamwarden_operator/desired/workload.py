"""An agent's pods, built from resolved values."""

from pydantic import ValidationError
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.pod import PodFields
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.runtime_config import AgentConfig, Formats, GateConfig

from streamwarden_operator.desired.agents import ResolvedAgent
from streamwarden_operator.desired.credentials import agent_secret_name, gate_secret_name
from streamwarden_operator.ports import Workload


def read_formats(text: str) -> Formats:
    """Read ``formats.json`` as it was applied; what is empty or strange tells that all formats are 1."""
    try:
        return Formats.model_validate_json(text) if text else Formats()
    except ValidationError:
        return Formats()


def build_workload(
    agent: ResolvedAgent,
    *,
    operator_namespace: str,
    installation: str,
    public_keys: str,
    credentials_hash: str,
    decision_format: int = 1,
) -> Workload:
    """Build an agent's pods.

    Args:
        agent: the agent.
        operator_namespace: where the operator runs.
        installation: its name, for the gate.
        public_keys: ``public-keys.json``; gates reread it, so it replaces no pods.
        credentials_hash: of both Secrets: new passwords need new pods.
        decision_format: the newest that all of the agent's gates read; agents reread it, so it replaces no pods.
    """
    metadata, spec = agent.resource.metadata, agent.resource.spec
    identity = {"namespace": metadata.namespace, "agent": metadata.name, "uid": metadata.uid}
    agent_config = AgentConfig(
        **identity,
        entrypoint=spec.agent.entrypoint,
        decision_topic=agent.names.decisions,
        decision_types=tuple(agent.targets),
        sources=agent.sources,
        model=spec.agent.model,
        retry=spec.retry,
    ).model_dump_json(by_alias=True, indent=2)
    gate_config = GateConfig(
        **identity, operator_namespace=operator_namespace, installation=installation
    ).model_dump_json(
        by_alias=True,
        indent=2,
        # Gates before this field refuse it, and no pod must be replaced for it.
        exclude={"installation"} if installation == SYSTEM else None,
    )
    pod = PodFields.model_validate({name: getattr(spec, name) for name in PodFields.model_fields})
    hashed = (spec.image, agent_config, gate_config, pod.model_dump_json(), credentials_hash)
    return Workload(
        namespace=metadata.namespace,
        agent=metadata.name,
        uid=metadata.uid,
        image=spec.image,
        pod=pod,
        agent_config=agent_config,
        agent_inputs=(
            agent.inputs.model_dump_json(by_alias=True, exclude_defaults=True, indent=2) if agent.inputs.topics else ""
        ),
        gate_config=gate_config,
        formats=Formats(decision=decision_format).model_dump_json() if decision_format > 1 else "",
        agent_secret=agent_secret_name(metadata.name),
        gate_secret=gate_secret_name(metadata.name),
        public_keys=public_keys,
        spec_hash=sha256_hex("\n".join(hashed).encode()),
    )
