from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pipelines.definition import PipelineDefinition
from pipelines.models import Experiment, Pipeline, PipelineVersion, Run, RunParameters
from pipelines.states import RunStatus
from studio.workspaces.models import Membership, Role, User, Workspace
from studio.workspaces.services import create_workspace

DEFINITION = PipelineDefinition.model_validate(
    {
        "parameters": [{"name": "size", "type": "integer", "default": 0}],
        "steps": [
            {"name": "prepare", "entry": "prepare.py", "outputs": [{"name": "features"}]},
            {
                "name": "train",
                "entry": "train.py",
                "inputs": [
                    {"name": "data", "binding": {"kind": "output", "step": "prepare", "output": "features"}},
                    {"name": "images", "binding": {"kind": "dataset", "dataset": "digits", "version": 2}},
                ],
            },
        ],
    }
)


@dataclass(frozen=True)
class Room:
    """A workspace whose pipelines and runs are rows only: nothing of them ever ran."""

    workspace: Workspace
    owner: User

    def url(self, path: str = "") -> str:
        return f"/w/{self.workspace.slug}/{path}"

    def member(self, role: Role) -> User:
        user = User.objects.create(username=f"{role}-{self.workspace.slug}")
        Membership.objects.create(workspace=self.workspace, user=user, role=role)
        return user

    def client(self, user: User | None = None) -> Client:
        client = Client()
        client.force_login(user or self.owner, backend="django.contrib.auth.backends.ModelBackend")
        return client

    def pipeline(self, name: str, *, versions: int = 1, description: str = "") -> Pipeline:
        pipeline = Pipeline.objects.create(
            workspace=self.workspace, name=name, description=description, latest_version=versions, created_by=self.owner
        )
        for number in range(1, versions + 1):
            PipelineVersion.objects.create(
                pipeline=pipeline, number=number, definition=DEFINITION, created_by=self.owner
            )
        return pipeline

    def run(
        self,
        pipeline: Pipeline,
        *,
        status: RunStatus = RunStatus.COMPLETED,
        by: User | None = None,
        experiment: str = "digits",
        seconds: float = 60,
    ) -> Run:
        now = timezone.now()
        group, _ = Experiment.objects.get_or_create(workspace=self.workspace, name=experiment)
        is_over = status not in {RunStatus.QUEUED, RunStatus.RUNNING}
        return Run.objects.create(
            workspace=self.workspace,
            pipeline=pipeline,
            version=pipeline.versions.first(),
            experiment=group,
            status=status,
            parameters=RunParameters(),
            submitted_by=by or self.owner,
            started_at=None if status == RunStatus.QUEUED else now - timedelta(seconds=seconds),
            finished_at=now if is_over else None,
            steps_total=2,
            steps_done=2 if is_over else 0,
        )


def make_room(slug: str) -> Room:
    owner = User.objects.create(username=f"owner-{slug}")
    return Room(create_workspace(name=slug.title(), slug=slug, owner=owner), owner)


@pytest.fixture
def room(db: None) -> Room:
    return make_room("ours")


@pytest.fixture
def other_room(db: None) -> Room:
    return make_room("theirs")


def queries_of(client: Client, path: str) -> int:
    """How many queries the page costs, sessions and all."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)
