"""Every list and every form of Django's admin, with rows in it, within twenty queries."""

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken

from compute.execution.usage.series import UsageSeries
from compute.models import (
    Attempt,
    AttemptUsage,
    ComputeTarget,
    ConnectionCheck,
    EnvironmentBuild,
    LogChunk,
    Metric,
    MetricChunk,
    NodeLog,
    NodeSample,
    Quota,
    SpecificationLock,
    Turn,
)
from compute.node_records import NodeLines, NodePoints
from compute.protocol import announce_protocol
from compute.services.pool_nodes import add_pool_node, note_event
from compute.services.recount import ask_recount
from compute.spec import EnvironmentLock, EnvironmentSpec
from datastores.models import (
    DataPath,
    Dataset,
    DatasetVersion,
    FileDefinition,
    Profile,
    ResumableUpload,
    StudioHome,
    VersionTags,
)
from pipelines.models import (
    EditChanges,
    ForeignName,
    ModuleUse,
    Pin,
    Retention,
    ReuseEnd,
    Run,
    StepEdit,
    StepRun,
    SubmitKey,
    Tag,
)
from pipelines.registered import ModelAlias, ModelVersion, RegisteredModel
from pipelines.services.trashing import put_in_trash
from studio.workspaces.audit import record
from studio.workspaces.models import Role, User
from studio.workspaces.tokens import make_token
from tests.service.pipelines.world import World

MOST_QUERIES = 20
OURS = {"workspaces", "datastores", "compute", "pipelines", "knox"}
REGISTERED = sorted((m for m in admin.site._registry if m._meta.app_label in OURS), key=lambda m: m._meta.label)
Open = Callable[..., str]


@pytest.fixture
def full_house(db: None) -> None:
    """Rows of every model, enough for a query per row to show."""
    world = World.make()
    pipelines = [
        world.pipeline(world.step("prepare"), world.step("train", "prepare", allow_reuse=False), name=f"p{number}")
        for number in range(5)
    ]
    for number in range(25):
        world.publish(world.step("scale"), name=f"module-{number}")
        version = pipelines[number % 5].versions.get()
        ModuleUse.objects.create(version=version, workspace=world.workspace, module=f"module-{number}")
        world.submit(pipelines[number % 5], experiment=f"e{number % 7}")
        person = world.member(f"person-{number}", Role.READER)
        AuthToken.objects.create(person)
        make_token(person, name=f"job {number}")
        record(world.workspace, person, "run.submit", f"run {number}")
        ForeignName.objects.create(
            workspace=world.workspace, sort="image", theirs=f"image:{number}", ours="python", set_by=person
        )
        dataset = Dataset.objects.create(workspace=world.workspace, name=f"d{number}", created_by=person)
        paths = [DataPath(datastore_id=world.datastore.pk, path="images/")]
        version = DatasetVersion.objects.create(
            dataset=dataset, number=1, definition=FileDefinition(paths=paths), created_by=person
        )
        Profile.objects.create(version=version, requested_by=person)
        ResumableUpload.objects.create(datastore=world.datastore, path=f"{number}", size_bytes=9, created_by=person)
        ConnectionCheck.objects.create(
            datastore=world.datastore, target=ComputeTarget.objects.get(), requested_by=person
        )
        add_pool_node(ComputeTarget.objects.get(), provider="processes")
        note_event(ComputeTarget.objects.get().pk, f"Event {number}.")
    ask_recount(world.workspace.pk)
    announce_protocol()
    StudioHome.objects.create(pk=StudioHome.ONLY, mark="0" * 32)
    Quota.objects.create(workspace=world.workspace, running_steps=100, set_by=world.owner)
    Turn.objects.create(target=ComputeTarget.objects.get(), person=world.owner.pk, served_at=timezone.now())
    world.drain()
    now = timezone.now()
    for run in Run.objects.all():
        SubmitKey.objects.create(workspace=world.workspace, user=world.owner, key=str(run.pk), digest="0", run=run)
        put_in_trash(run.pk, by=world.owner)
    for step in StepRun.objects.all()[:25]:
        Tag.objects.create(run_id=step.run_id, step_run=step, name="stage", set_by=world.owner, set_at=now)
        StepEdit.objects.create(
            step_run=step,
            number=1,
            before=step.frozen,
            last_attempt=1,
            changes=EditChanges(changes=["main.py"]),
            edited_by=world.owner,
            edited_at=now,
        )
        ReuseEnd.objects.create(step_run=step, ends_at=now, decided_by=world.owner, decided_at=now)
        model = RegisteredModel.objects.create(
            workspace=world.workspace, name=f"m{step.pk}", created_by=world.owner, tags=VersionTags()
        )
        version = ModelVersion.objects.create(
            model=model,
            number=1,
            stage_set_at=now,
            tags=VersionTags(),
            created_by=world.owner,
            step_run=step,
            run_number=step.run_id,
            step_name=step.name,
            output_name="out",
            datastore=world.datastore,
            path="runs/1/out",
            file_count=1,
            size_bytes=1,
            stamp="0" * 64,
        )
        ModelAlias.objects.create(model=model, name="champion", version=version)
        Pin.objects.create(run_id=step.run_id, step_run=step, note="good", pinned_by=world.owner, pinned_at=now)
    Retention.objects.create(workspace=world.workspace, keep_runs=100, set_by=world.owner, set_at=now)
    for number in range(25):
        spec = EnvironmentSpec(pip=[f"six=={number}"])
        SpecificationLock.objects.create(
            digest=spec.digest, document=EnvironmentLock(python="3.11.7", platform="linux-64"), node_name="here"
        )
        EnvironmentBuild.objects.create(
            digest=spec.digest, spec=spec, target=world.node.target, node=world.node, node_name="here", hostname="here"
        )
        NodeSample.objects.create(node=world.node, began_at=now, points=NodePoints())
        NodeLog.objects.create(
            node=world.node, incarnation=world.node.incarnation, lines=NodeLines(), line_count=0, size_bytes=0
        )
    for attempt in Attempt.objects.all()[:25]:
        AttemptUsage.objects.create(attempt=attempt, series=UsageSeries(), updated_at=now)
        metric = Metric.objects.create(attempt=attempt, name="loss", kind="scalar", position=0, count=1, last="nan")
        MetricChunk.objects.create(metric=metric, seq=0, start=0, count=1, step_min=0, step_max=0, data=b"x")
        LogChunk.objects.create(
            attempt=attempt,
            seq=99,
            byte_start=0,
            byte_count=3,
            line_start=0,
            newline_count=1,
            streams=[[3, "o"]],
            data=b"x",
        )


@pytest.fixture
def open_page(db: None) -> Open:
    boss = User.objects.create(username="boss", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")

    def get(name: str, *args: object) -> str:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(reverse(f"admin:{name}", args=args))
        assert answer.status_code == 200
        assert len(queries) <= MOST_QUERIES, f"{name}:\n" + "\n".join(entry["sql"][:160] for entry in queries)
        return answer.content.decode()

    return get


def test_every_list_and_every_form_opens_within_twenty_queries(full_house: None, open_page: Open) -> None:
    open_page("index")
    empty: list[str] = []
    for model in REGISTERED:
        row: Model | None = model._base_manager.order_by("pk").first()
        if row is None:
            empty.append(model._meta.label)
            continue
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        assert open_page(f"{name}_changelist").count("<tr") > 1, model._meta.label
        open_page(f"{name}_change", row.pk)
    assert empty == [], "without rows a list says nothing about its queries"


def test_every_model_of_ours_is_there() -> None:
    from django.apps import apps

    models = {m for label in OURS - {"knox"} for m in apps.get_app_config(label).get_models()}
    assert {m._meta.label for m in models - set(admin.site._registry)} == set()


def test_somebody_who_is_no_administrator_stays_outside(client: Client, db: None) -> None:
    client.force_login(User.objects.create(username="ada"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/").status_code == 302
