"""A workspace with people, sources and pipelines; compute's own services play a node's part, without processes."""

import io
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from compute.models import ComputeTarget, Node
from compute.services import ensure_curated
from compute.services.leases import Lease, Outcome, claim, finish, start
from compute.spec import ArtifactsRecord, JobResult, OutputRecord
from compute.states import JobStatus
from datastores import snapshots
from datastores.models import Datastore
from pipelines import services
from pipelines.models import ModuleVersion, Pipeline, Run, RunEvent, StepRun
from pipelines.modules.publishing import PortWords, module_of
from pipelines.services.publishing import publish_module
from pipelines.validation import parse_definition
from studio.workspaces.access import Access
from studio.workspaces.models import Membership, Role, User, Workspace
from studio.workspaces.services import create_workspace


@dataclass
class World:
    workspace: Workspace
    owner: User
    access: Access
    node: Node
    source: str
    finished: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, slug: str = "ours") -> "World":
        ensure_curated()
        owner = User.objects.create_user(f"{slug}-owner", password="a long passphrase")
        workspace = create_workspace(name=slug.title(), slug=slug, owner=owner)
        target = ComputeTarget.objects.get(workspace=None, name="local")
        now = timezone.now()
        node, _ = Node.objects.get_or_create(
            target=target,
            name="here",
            defaults={
                "incarnation": uuid.uuid4(),
                "hostname": "here",
                "pid": 1,
                "slots": 4,
                "started_at": now,
                "heartbeat_at": now,
            },
        )
        source = snapshots.add_files(workspace, None, [("main.py", io.BytesIO(b"print(1)\n"))])
        return cls(workspace, owner, Access(owner, workspace, Role.OWNER), node, source.digest)

    def member(self, name: str, role: Role) -> User:
        user = User.objects.create_user(name, password="a long passphrase")
        Membership.objects.create(workspace=self.workspace, user=user, role=role)
        return user

    @property
    def datastore(self) -> Datastore:
        return Datastore.objects.get(workspace=self.workspace, is_default=True)

    def step(self, name: str, *reads: str, **more: Any) -> dict[str, Any]:
        """A step with an output `out` that reads `out` of the named steps. One of another name does other work."""
        inputs = [
            {"name": f"from_{each}", "binding": {"kind": "output", "step": each, "output": "out"}} for each in reads
        ]
        arguments = " ".join([*(f"${{{{inputs.from_{each}}}}}" for each in reads), f"--{name}"])
        return {
            "name": name,
            "source": self.source,
            "entry": "main.py",
            "arguments": arguments,
            "inputs": inputs,
            "outputs": [{"name": "out"}],
            **more,
        }

    def pipeline(self, *steps: dict[str, Any], name: str = "digits", parameters: Any = ()) -> Pipeline:
        pipeline = services.create_pipeline(self.access, name=name)
        self.save(pipeline, *steps, parameters=parameters)
        return pipeline

    def save(self, pipeline: Pipeline, *steps: dict[str, Any], parameters: Any = ()) -> None:
        pipeline.refresh_from_db()
        services.save_version(
            self.access,
            pipeline,
            definition=parse_definition({"steps": list(steps), "parameters": list(parameters)}),
            base_version=pipeline.latest_version,
        )
        pipeline.refresh_from_db()

    def publish(
        self,
        step: dict[str, Any],
        *,
        name: str,
        parameters: Any = (),
        base: int = 0,
        words: PortWords | None = None,
        access: Access | None = None,
        **more: Any,
    ) -> ModuleVersion:
        """A version of a module, as of a step of a pipeline with these parameters."""
        written = parse_definition({"steps": [step], "parameters": list(parameters)})
        definition = module_of(written.steps[0], written.parameters, words)
        by = access or self.access
        return publish_module(by, name=name, definition=definition, base_version=base, **more).version

    def submit(self, pipeline: Pipeline, **more: Any) -> Run:
        return services.submit_run(self.access, pipeline, **more)

    def claim(self) -> Lease:
        lease = claim(self.node)
        assert lease is not None, "there is no job to claim"
        return lease

    def complete(self, lease: Lease, *, content: str = "", artifacts: Mapping[str, bytes] | None = None) -> bool:
        """Play a process that wrote its outputs, and `artifacts` beside them, and ended well."""
        start(lease, timezone.now())
        outputs = {
            name: OutputRecord(
                datastore_id=output.datastore_id,
                path=output.path.replace("{attempt}", str(lease.attempt)),
                fingerprint=content or f"content of {lease.title.split()[0]}",
                file_count=1,
                size_bytes=5,
            )
            for name, output in lease.spec.outputs.items()
        }
        from datastores.backends import get_backend

        for record in outputs.values():
            backend = get_backend(Datastore.objects.get(pk=record.datastore_id))
            backend.write(f"{record.path}/data.txt", io.BytesIO(b"hello"))
        result = JobResult(outputs=outputs, artifacts=self.artifacts(lease, artifacts) if artifacts else None)
        return self.end(lease, Outcome(JobStatus.COMPLETED, exit_code=0, result=result))

    def artifacts(self, lease: Lease, files: Mapping[str, bytes], *, note: str = "") -> ArtifactsRecord:
        """Play a process that wrote files beside its outputs."""
        from datastores.backends import get_backend

        to = lease.spec.artifacts
        assert to is not None
        path = to.path.replace("{attempt}", str(lease.attempt))
        backend = get_backend(Datastore.objects.get(pk=to.datastore_id))
        for name, data in files.items():
            backend.write(f"{path}/{name}", io.BytesIO(data))
        return ArtifactsRecord(
            datastore_id=to.datastore_id,
            path=path,
            file_count=len(files),
            size_bytes=sum(map(len, files.values())),
            note=note,
        )

    def fail(
        self,
        lease: Lease,
        *,
        code: int = 1,
        reason: str = "The script ended with exit code 1.",
        artifacts: Mapping[str, bytes] | None = None,
    ) -> bool:
        start(lease, timezone.now())
        result = JobResult(artifacts=self.artifacts(lease, artifacts)) if artifacts else None
        return self.end(lease, Outcome(JobStatus.FAILED, exit_code=code, reason=reason, failure="exit", result=result))

    def end(self, lease: Lease, outcome: Outcome) -> bool:
        held, _next = finish(lease, outcome, log={"log_complete": True}, log_bytes=0)
        self.finished.append(lease.title.split()[0])
        return held

    def drain(self) -> list[str]:
        """Complete job after job until none is queued. Returns the steps in the order in which they ran.

        Messages are not sent here: where there is no job the sweep looks after what waits for an equal step.
        """
        ran: list[str] = []
        while (lease := claim(self.node) or (claim(self.node) if services.look_after_all() else None)) is not None:
            self.complete(lease)
            ran.append(lease.title.split()[0])
        return ran

    def statuses(self, run: Run) -> dict[str, str]:
        return dict(StepRun.objects.filter(run=run).values_list("name", "status"))


def events(run: Run) -> list[dict[str, Any]]:
    return [event.data for event in RunEvent.objects.filter(run=run).order_by("seq")]


def assert_no_gap(run: Run) -> None:
    run.refresh_from_db()
    seqs = list(RunEvent.objects.filter(run=run).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, run.last_event + 1))
