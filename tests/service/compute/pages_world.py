"""Two workspaces that share a target, with nodes and jobs in every state, and people who look at them."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from compute.models import ComputeTarget, Job, Node
from compute.spec import EnvironmentSpec, JobSpec
from compute.states import JobStatus
from studio.workspaces.models import Membership, Role, User, Workspace

SPEC = JobSpec(command=["python", "train.py"], environment=EnvironmentSpec())


@dataclass(frozen=True)
class World:
    ours: Workspace
    theirs: Workspace
    shared: ComputeTarget
    own: ComputeTarget
    foreign: ComputeTarget

    def client(self, role: Role = Role.OWNER) -> Client:
        """Signed in as a member of `ours`."""
        user = User.objects.create_user(f"{role}-{uuid.uuid4().hex[:6]}")
        Membership.objects.create(workspace=self.ours, user=user, role=role)
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    def job(self, title: str, status: JobStatus = JobStatus.QUEUED, **values: Any) -> Job:
        """On the shared target, of our workspace, queued a minute ago."""
        now = timezone.now()
        defaults: dict[str, Any] = {"queued_at": now - timedelta(minutes=1)}
        if status != JobStatus.QUEUED:
            defaults["started_at"] = now - timedelta(seconds=30)
        if status in {JobStatus.COMPLETED, JobStatus.FAILED}:
            defaults["finished_at"] = now
        defaults |= {"workspace": self.ours, "target": self.shared, "owner": "test", "spec": SPEC}
        return Job.objects.create(title=title, status=status, **defaults | values)

    def node(self, name: str, *, silent_s: float = 0, target: ComputeTarget | None = None, **values: Any) -> Node:
        now = timezone.now()
        return Node.objects.create(
            target=target or self.shared,
            name=name,
            incarnation=uuid.uuid4(),
            hostname="machine",
            pid=4242,
            slots=2,
            started_at=now - timedelta(hours=1),
            heartbeat_at=now - timedelta(seconds=silent_s),
            **values,
        )


def make_world() -> World:
    ours = Workspace.objects.create(slug="ours", name="Ours")
    theirs = Workspace.objects.create(slug="theirs", name="Theirs")
    return World(
        ours=ours,
        theirs=theirs,
        shared=ComputeTarget.objects.create(name="local", workspace=None, shared_with_all=True),
        own=ComputeTarget.objects.create(name="training", workspace=ours),
        foreign=ComputeTarget.objects.create(name="secret", workspace=theirs),
    )
