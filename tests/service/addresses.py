"""Every address of the studio: who may ask what there, how its parts are filled, and a request that is good.

`test_every_address` fails for an address that is missing here. A new one needs a line that says what it takes from
whom; an address that takes in nobody in particular stands in PUBLIC, with the reason.
"""

import json
import sqlite3
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from compute.models import ComputeTarget, ConnectionCheck, Environment, EnvironmentBuild, Node, SpecificationLock
from compute.services import create_environment, create_target
from compute.services.pool_settings import create_pool
from compute.spec import EnvironmentLock, EnvironmentSpec, LockedPackage
from datastores import resumable, snapshots
from datastores.backends import get_backend
from datastores.models import DataPath, Dataset, DatasetVersion, Datastore, Profile, ProfileResult, ResumableUpload
from datastores.services import create_dataset, create_table, register_datastore
from datastores.services.profiles import request_profile
from datastores.sources import Column, DelimitedFormat, FilesSource, TabularDefinition
from datastores.tabular.column_profiles import ColumnProfile
from pipelines import services
from pipelines.models import Module, Pipeline, Run, StepRun
from pipelines.registered import RegisteredModel
from studio.workspaces.access import Access
from studio.workspaces.models import Membership, Role, User
from studio.workspaces.permissions import Permission
from studio.workspaces.tokens import make_token
from tests.service.pipelines.world import World
from tests.support.metrics import PNG, measure

FILES = {
    "files/cat.png": b"\x89PNG\r\n\x1a\n",
    "files/dot.png": b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    ),
    "files/sound.wav": b"RIFF",
    "files/page.html": b"<!doctype html><script>alert(1)</script>",
    "files/drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "files/old.txt": b"old",
    "apart/old.txt": b"old",
    "tables/numbers.csv": b"number,word\n1,one\n2,two\n",
}


def sweep(world: World, mark: str) -> Run:
    """A sweep with a trial that has the mark in its values and in what it logs."""
    parameter = {"name": "word", "type": "string"}
    inner = f"{mark} tried"
    slug = world.workspace.slug
    fit = {**world.step(f"{slug}-fit"), "arguments": "${{parameters.word}}"}
    world.pipeline(fit, name=inner, parameters=[parameter])
    step = {
        "kind": "sweep",
        "name": f"{slug}-tune",
        "pipeline": inner,
        "search_space": [{"name": "word", "value": f"choice({json.dumps(mark, ensure_ascii=False)})"}],
        "primary_metric": f"{mark} loss",
    }
    run = world.submit(world.pipeline(step, name=f"{mark} sweep"))
    services.tend(StepRun.objects.get(run=run).pk)
    measure(world.claim(), *(["s", f"{mark} loss", value, None] for value in (1, 0.5)))
    return run


def register_model(world: World, person: User, run: Run, step: str, mark: str) -> RegisteredModel:
    access = Access(person, world.workspace, Role.CONTRIBUTOR)
    done = services.register_model(
        access,
        StepRun.objects.get(run=run, name=step),
        services.Left(output="out"),
        name=f"{world.workspace.slug}-model",
        description=mark[:500],
        tags={mark[:100]: mark[:100]},
    )
    services.change_model(access, done.version.model, description=mark[:500])
    return done.version.model


def split(world: World, mark: str) -> Run:
    """A parallel run that is done, with the mark in what its program logged of its batches."""
    slug = world.workspace.slug
    step = {
        "kind": "parallel_run",
        "name": f"{slug}-split",
        "source": snapshots.edit(world.workspace, None, put={"batches.py": "def run(mini_batch): ...\n"}).digest,
        "entry_script": "batches.py",
        "input": "${{inputs.data}}",
        "inputs": [
            {"name": "data", "binding": {"kind": "output", "step": f"{slug}-first", "output": "out"}},
        ],
        "output": "${{outputs.out}}",
    }
    run = world.submit(world.pipeline(world.step(f"{slug}-first"), step, name=f"{mark} split"))
    world.complete(world.claim())
    lease = world.claim()
    row = {"batch": [1], "what": [mark], "items": [2], "items_failed": [0], "tries": [1], "seconds": [1], "why": [mark]}
    numbers = {"total": 2, "done": 1, "failed": 1, "seconds": 3}
    points = (["s", f"studio.batches.{name}", value, None] for name, value in numbers.items())
    measure(lease, *points, ["t", "studio.batches.looked_at", row])
    world.complete(lease)
    return run


def put_files(*datastores: Datastore) -> None:
    for datastore in datastores:
        for path, content in FILES.items():
            get_backend(datastore).write(path, BytesIO(content))


def profile_table(version: DatasetVersion, actor: User) -> None:
    """One that is done, and one that waits."""
    column = ColumnProfile(name="number", type="integer", count=2, missing=0, distinct=2)
    result = ProfileResult(row_count=2, columns=[column.model_dump(mode="json")])
    now = timezone.now()
    Profile.objects.create(version=version, status="completed", result=result, started_at=now, finished_at=now)
    request_profile(version, actor=actor)


def build_environment(environment: Environment, target: ComputeTarget) -> None:
    """As if a node had: locked, and ready on one machine. The node lives for a day, so it can be asked for more."""
    now = timezone.now()
    node = Node.objects.create(
        target=target,
        name="builder",
        incarnation=uuid.uuid4(),
        hostname="machine",
        pid=1,
        slots=1,
        started_at=now,
        heartbeat_at=now + timedelta(days=1),
    )
    lock = EnvironmentLock(python="3.11.7", platform="linux-64", packages=[LockedPackage(name="pandas", version="3.0")])
    SpecificationLock.objects.create(digest=environment.digest, document=lock, node_name=node.name)
    EnvironmentBuild.objects.create(
        digest=environment.digest,
        spec=environment.spec,
        target=target,
        node=node,
        node_name=node.name,
        hostname=node.hostname,
        place=f"place of {target.pk}",
        status="ready",
        started_at=now,
        finished_at=now,
        log="Making the environment.",
    )


@dataclass(frozen=True)
class Place:
    """A workspace with one of everything. Whatever it holds has `mark` in its name where names are free."""

    world: World
    mark: str
    contributor: User
    reader: User
    datastore: Datastore
    dataset: Dataset
    table: Dataset
    database: Datastore
    upload: ResumableUpload
    target: ComputeTarget
    pool: ComputeTarget
    environment: Environment
    pipeline: Pipeline
    run: Run
    asking: Run  # waits for an answer
    trashed: Run
    deleted: Pipeline
    tracked: Run  # begun by a client, and not over
    splitting: Run  # a parallel run that is done
    sweeping: Run  # its trial logged the metric and still runs
    module: Module
    step: str  # the name of a step that completed
    digest: str  # of sources that no other place has
    model: RegisteredModel  # of what that step left, registered by the contributor
    token_id: int  # of the owner

    @classmethod
    def furnish(cls, slug: str, mark: str = "", *, step: str = "first") -> "Place":
        mark = mark or f"{slug}-mark"
        world = World.make(slug)
        world.access.workspace.name = mark
        world.workspace.save()
        people = [world.member(f"{slug}-{role}", role) for role in (Role.CONTRIBUTOR, Role.READER)]
        for person in (world.owner, *people):
            person.first_name = mark
            person.save()
        datastore = register_datastore(
            world.workspace, kind="local", name=f"{slug}-store", config={}, description=mark, actor=world.owner
        )
        put_files(datastore, world.datastore)
        version = create_dataset(
            world.workspace,
            name=f"{slug}-data",
            description=mark,
            paths=[DataPath(datastore_id=world.datastore.pk, path="files/")],
            actor=world.owner,
        )
        table = create_table(
            world.workspace,
            name=f"{slug}-table",
            description=mark,
            definition=TabularDefinition(
                source=FilesSource(
                    paths=[DataPath(datastore_id=world.datastore.pk, path="tables/numbers.csv")],
                    format=DelimitedFormat(),
                ),
                columns=[Column(name="number", type="integer"), Column(name="word", type="string")],
            ),
            actor=world.owner,
        )
        profile_table(table, world.owner)
        folder = get_backend(world.datastore).local_path("")
        assert folder is not None
        with closing(sqlite3.connect(folder / "shop.db")) as tables:
            tables.execute(f'CREATE TABLE "{slug}-orders" (id INTEGER, price REAL)')
        database = register_datastore(
            world.workspace,
            kind="sqlite",
            name=f"{slug}-tables",
            config={"path": "workspaceblobstore/shop.db"},
            actor=world.owner,
        )
        target = create_target(workspace=world.workspace, name=f"{slug}-box", description=mark, created_by=world.owner)
        # It was stopped, and went, long ago.
        long_ago = timezone.now() - timedelta(days=1)
        Node.objects.create(
            target=target,
            name=f"{slug}-node",
            incarnation=uuid.uuid4(),
            hostname=mark,
            pid=1,
            slots=1,
            started_at=long_ago,
            heartbeat_at=long_ago,
            kept_by="supervisor",
            stop_requested_at=long_ago,
        )
        pool = create_pool(
            workspace=world.workspace,
            name=f"{slug}-pool",
            slots=1,
            description=mark,
            pool={},
            created_by=world.owner,
        )
        environment = create_environment(
            workspace=world.workspace,
            name=f"{slug}-env",
            description=mark,
            spec=EnvironmentSpec(pip=["pandas"], variables={"PLACE": slug}),
            created_by=world.owner,
        )
        build_environment(environment, target)
        ConnectionCheck.objects.create(
            datastore=datastore, target=target, status="completed", finished_at=timezone.now()
        )
        # Never the same in two tests: what a digest holds is remembered per process.
        content = f"print('{slug} {uuid.uuid4()}')\n".encode()
        files = [("main.py", BytesIO(content)), ("changes.diff", BytesIO(f"# untracked: {mark}".encode()))]
        digest = snapshots.add_files(world.workspace, None, files).digest
        inputs = [{"name": "data", "binding": {"kind": "dataset", "dataset": f"{slug}-data"}}]
        steps = [
            world.step(step, source=digest, description=mark, inputs=inputs, arguments="${{inputs.data}}"),
            world.step("broken", step, source=digest, environment=f"{slug}-env"),
        ]
        world.pipeline(world.step(f"{slug}-inner"), name="digits")  # of a name that an address can have
        pipeline = world.pipeline(*steps, name=mark)
        run = world.submit(pipeline)
        lease = world.claim()
        measure(
            lease,
            *(["s", name, value, None] for name in ("loss", f"{mark} loss") for value in (1, 0.5)),
            ["l", "names", [mark]],
            ["t", f"{mark} table", {mark: [mark]}],
            ["i", "dot", PNG],
            ["tag", mark, mark],
            ["property", mark, mark],
        )
        world.complete(
            lease, artifacts={"outputs/page.html": FILES["files/page.html"], f"logs/{slug}.log": mark.encode()}
        )
        written = lease.spec.outputs["out"].path.replace("{attempt}", str(lease.attempt))
        get_backend(world.datastore).write(f"{written}/made.ipynb", BytesIO(b'{"nbformat": 4, "cells": []}'))
        world.fail(world.claim(), reason=f"{mark} went wrong.")
        model = register_model(world, people[0], run, step, mark)

        tracked = services.start_tracked_run(world.access, experiment=mark, name=mark, tags={mark: mark}).run
        splitting = split(world, mark)
        sweeping = sweep(world, mark)
        world.submit(pipeline)  # and one that is queued
        question = {"kind": "approval", "name": f"{slug}-ask", "message": mark, "role": "reader"}
        asking = world.submit(world.pipeline(question, name=f"{mark} asks"))
        trashed = world.submit(world.pipeline(question, name=f"{mark} is in the trash"))
        services.cancel_run(world.access, trashed)
        services.trash_run(world.access, trashed)
        deleted = world.pipeline(question, name=f"{mark} was deleted")
        services.delete_pipeline(world.access, deleted)
        published = world.publish(
            world.step("scale", source=digest, description=mark),
            name=f"{slug}-module",
            description=mark,
            note=mark,
            # Who neither published it nor owns the workspace can't do everything with it.
            access=Access(people[0], world.workspace, Role.CONTRIBUTOR),
        )
        run.refresh_from_db()
        return cls(
            world=world,
            mark=mark,
            contributor=people[0],
            reader=people[1],
            datastore=datastore,
            dataset=version.dataset,
            table=table.dataset,
            database=database,
            upload=resumable.begin(datastore, path="files/large.bin", size_bytes=10, actor=world.owner),
            target=target,
            pool=pool,
            environment=environment,
            pipeline=pipeline,
            run=run,
            asking=asking,
            trashed=trashed,
            deleted=deleted,
            tracked=tracked,
            splitting=splitting,
            sweeping=sweeping,
            module=published.module,
            step=step,
            digest=digest,
            model=model,
            token_id=make_token(world.owner, name=mark[:100]).row.pk,
        )

    @property
    def slug(self) -> str:
        return self.world.workspace.slug

    @property
    def owner(self) -> User:
        return self.world.owner

    def person(self, role: Role) -> User:
        return {Role.OWNER: self.owner, Role.CONTRIBUTOR: self.contributor, Role.READER: self.reader}[role]

    def parts(self, of: str = "") -> dict[str, Any]:
        """What fills the parts of an address that mean this place, the step being one that the address is for."""
        latest = {"run_id": Run.objects.filter(pipeline=self.pipeline).latest("pk").pk}
        asking = {"run_id": self.asking.pk}
        sweeping = {"run_id": self.sweeping.pk, "name": f"{self.slug}-tune"}
        special = {
            "api-step-edit": {"name": "broken"},
            "api-step-cancel": {"name": "broken", **latest},
            "api-step-answer": {"name": f"{self.slug}-ask", **asking},
            "runs:approvals": asking,
            "api-tracked-run-log": {"run_id": self.tracked.pk},
            "api-tracked-run-end": {"run_id": self.tracked.pk},
            "api-run-restore": {"run_id": self.trashed.pk},
            "api-run-purge": {"run_id": self.trashed.pk},
            "trash:delete": {"run_id": self.trashed.pk},
            "api-pipeline-restore": {"pipeline_id": self.deleted.pk},
            "runs:trials": sweeping,
            "api-step-trials": sweeping,
            "api-step-batches": {"run_id": self.splitting.pk, "name": f"{self.slug}-split"},
            "api-run-pause": latest,
            "api-run-resume": latest,
        }
        return {
            "slug": self.slug,
            "pipeline_id": self.pipeline.pk,
            "number": 1,
            "run_id": self.run.pk,
            "latest_id": latest["run_id"],
            "asking_id": self.asking.pk,
            "name": self.step,
            "output": "out",
            "given": "data",
            "digest": self.digest,
            "model_id": self.model.pk,
            "module_id": self.module.pk,
            "datastore_id": self.datastore.pk,
            "dataset_id": self.dataset.pk,
            "table_id": self.table.pk,
            "table_version_id": self.table.versions.earliest("pk").pk,
            "position": 0,
            "database_id": self.database.pk,
            "upload_id": self.upload.pk,
            "version_id": DatasetVersion.objects.filter(dataset=self.dataset).earliest("pk").pk,
            "target_id": self.target.pk,
            "node_id": Node.objects.get(target=self.target, name=f"{self.slug}-node").pk,
            "pool_id": self.pool.pk,
            "provider": "processes",
            "check_id": ConnectionCheck.objects.filter(datastore=self.datastore).earliest("pk").pk,
            "environment_id": self.environment.pk,
            "build_id": EnvironmentBuild.objects.filter(digest=self.environment.digest).earliest("pk").pk,
            "membership_id": Membership.objects.get(workspace=self.world.workspace, user=self.reader).pk,
            "token_id": self.token_id,
            **special.get(of, {}),
        }


# Parts that mean nothing without another one before them: the same in every workspace.
RELATIVE = {"slug", "number", "name", "output", "position", "provider"}
NOT_THERE: Mapping[str, Any] = {"digest": "f" * 64, "upload_id": uuid.UUID(int=0)}

Body = Callable[[Place], Any]


@dataclass(frozen=True)
class Form:
    """A body as a form sends it, files included; anything else goes as JSON."""

    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Bytes:
    """A body as it is, with the headers that say what it is."""

    content: bytes
    headers: Mapping[str, str]
    content_type: str


@dataclass(frozen=True)
class Address:
    """`methods`: whom each takes in (None: whoever is signed in); 405 to every other. `bodies`: a good one for each."""

    methods: Mapping[str, Permission | None]
    bodies: Mapping[str, Body] = field(default_factory=dict)
    query: str = ""


def form(**fields: Any) -> Body:
    return lambda _place: Form(fields)


def data(**fields: Any) -> Body:
    return lambda _place: fields


def page(permission: Permission | None = Permission.VIEW, query: str = "") -> Address:
    return Address({"GET": permission}, query=query)


def form_page(body: Body, permission: Permission | None, *, see: Permission | None = None, query: str = "") -> Address:
    return Address({"GET": see or permission, "POST": permission}, {"POST": body}, query)


def button(permission: Permission | None, body: Body | None = None) -> Address:
    return Address({"POST": permission}, {"POST": body or form()})


def api(
    *,
    get: Permission | None = Permission.VIEW,
    post: tuple[Permission | None, Body] | None = None,
    patch: tuple[Permission, Body] | None = None,
    delete: Permission | None = None,
    query: str = "",
    reads: bool = True,
) -> Address:
    methods: dict[str, Permission | None] = {"GET": get} if reads else {}
    bodies: dict[str, Body] = {}
    for method, given in (("POST", post), ("PATCH", patch)):
        if given is not None:
            methods[method], bodies[method] = given
    if delete is not None:
        methods["DELETE"] = delete
    return Address(methods, bodies, query)


def definition_of(place: Place) -> dict[str, Any]:
    return {"steps": [place.world.step("other", source=place.digest)]}


def module_from_step(place: Place) -> dict[str, Any]:
    return {"name": "another", "pipeline": place.pipeline.pk, "step": place.step}


def first_of_a_module(place: Place) -> dict[str, Any]:
    return {**module_from_step(place), "base_version": 0}


def dataset_paths(place: Place) -> list[dict[str, Any]]:
    return [{"datastore_id": place.datastore.pk, "path": "files/*.txt"}]


def table_of(place: Place) -> dict[str, Any]:
    return {"source": {"kind": "files", "paths": [{"datastore_id": place.datastore.pk, "path": "tables/numbers.csv"}]}}


def _table(place: Place) -> Form:
    return Form({"where": "files", "datastore": place.datastore.pk, "path": "tables/numbers.csv"})


def _steps(_place: Place) -> Form:
    return Form({"name": "fewer", "step-0-kind": "take", "step-0-count": "1"})


def _upload(_place: Place) -> Form:
    return Form({"files": SimpleUploadedFile("new.txt", b"new"), "folder": "files"})


def _part(_place: Place) -> Bytes:
    return Bytes(b"par", {"Upload-Offset": "0"}, "application/offset+octet-stream")


def _sources(place: Place) -> Form:
    return Form({"files": SimpleUploadedFile("more.py", b"1"), "paths": "more.py", "base": place.digest})


def _model(place: Place) -> dict[str, Any]:
    return {"name": "another", "run": place.run.pk, "step": place.step, "output": "out"}


V, RUN, EDIT, DATA = Permission.VIEW, Permission.RUN, Permission.EDIT_PIPELINES, Permission.EDIT_DATA
ENVIRONMENTS, STORES = Permission.EDIT_ENVIRONMENTS, Permission.MANAGE_DATASTORES
COMPUTE, MEMBERS = Permission.MANAGE_COMPUTE, Permission.MANAGE_MEMBERS
MODELS = Permission.EDIT_MODELS
DELETE, KEEP = Permission.DELETE_RUNS, Permission.MANAGE_RETENTION

PUBLIC: Mapping[str, str] = {
    "healthz": "for monitors: one word for each part of the installation, nothing of what is in it",
    "sdk": "the SDK for pip, which has no token; free software, the same in every installation of a version",
    "sdk-index": "the SDK for pip: that there is one package",
    "sdk-files": "the SDK for pip: its two files",
    "sdk-file": "the SDK for pip",
    "sdk-names": "what the SDK has, read from its code",
    "schema": "what the API looks like, the same in every installation; clients are generated from it",
    "api-browser": "the same for people; whatever it is asked to try goes through sign-in",
    "login": "where one signs in",
    "logout": "takes only a POST, and does nothing for somebody who is not signed in",
}

# For whoever is signed in, in no workspace in particular.
OF_NO_WORKSPACE: Mapping[str, Address] = {
    "home": page(None),
    "help": page(None),
    "workspaces:new": form_page(form(name="New", slug="new"), None),
    "api-workspaces": api(get=None, post=(None, data(name="New", slug="new"))),
    "access_tokens": form_page(form(name="nightly"), None),
    "revoke_token": button(None),
    "api-tokens": api(get=None, post=(None, data(name="nightly"))),
    "api-token": Address({"DELETE": None}),
    # The last one: a session does not outlive it when the database takes it back.
    "password_change": form_page(
        form(old_password="a long passphrase", new_password1="one that nobody 7", new_password2="one that nobody 7"),
        None,
    ),
}

OF_A_WORKSPACE: Mapping[str, Address] = {
    "workspace": page(),
    "workspaces:members": form_page(lambda _: Form({"who": "newcomer", "role": "reader"}), MEMBERS, see=V),
    "workspaces:rename": button(MEMBERS, form(name="Renamed")),
    "workspaces:change_role": button(MEMBERS, form(role="contributor")),
    "workspaces:remove_member": button(MEMBERS),
    "api-workspace": api(patch=(MEMBERS, data(name="Renamed"))),
    "api-members": api(post=(MEMBERS, data(who="newcomer", role="reader"))),
    "api-member": api(reads=False, patch=(MEMBERS, data(role="contributor")), delete=MEMBERS),
    # Data
    "datastores:list": page(),
    "datastores:new": form_page(form(name="another", kind="local", config_path=""), STORES),
    "datastores:browse": page(query="path=files"),
    "datastores:file": page(query="path=files/page.html"),
    "datastores:download": page(query="path=files/page.html"),
    "datastores:image": page(query="path=files/cat.png"),
    "datastores:audio": page(query="path=files/sound.wav"),
    "datastores:thumbnail": page(query="path=files/dot.png"),
    "datastores:folder_new": button(DATA, form(folder="", name="deeper")),
    "datastores:path_delete": button(DATA, form(folder="files", path="files/old.txt")),
    "datastores:edit": form_page(form(description="other words"), STORES),
    "datastores:make_default": button(STORES),
    "datastores:delete": form_page(form(dangling="yes"), STORES),
    "datastores:zip": page(query="path=files"),
    "datasets:list": page(),
    "datasets:new": form_page(
        lambda place: Form({"name": "another", "datastore": place.datastore.pk, "path": "files/"}), DATA
    ),
    "datasets:detail": page(),
    "datasets:version_new": form_page(
        lambda place: Form({"datastore": place.datastore.pk, "path": "files/*.txt"}), DATA
    ),
    "datasets:table_part": button(DATA, _table),
    "datasets:files": page(),
    "datasets:preview": page(),
    "datasets:changes": page(),
    "datasets:version_again": button(DATA),
    "datasets:derive": form_page(_steps, DATA),
    "datasets:derive_part": button(DATA, _steps),
    "datasets:profile": form_page(form(), DATA, see=V),
    "datasets:profile_cancel": button(DATA),
    "datasets:profile_column": page(),
    "datasets:compare": page(query="a={table_version_id}&b={table_version_id}"),
    "datasets:compare_column": page(query="a={table_version_id}&b={table_version_id}"),
    "datasets:edit": form_page(form(description="other words"), DATA),
    "datasets:delete": button(DATA),
    "api-datastores": api(post=(STORES, data(name="another"))),
    "api-datastore": api(patch=(STORES, data(description="other words")), delete=STORES),
    "api-datastore-kinds": api(),
    "api-datastore-test-new": api(reads=False, post=(STORES, data(kind="local"))),
    "api-datastore-test": api(reads=False, post=(STORES, data())),
    "api-datastore-tables": api(),
    "api-datastore-count": api(query="path=files"),
    "api-datastore-zip": api(query="path=files"),
    "api-datastore-uploads": api(reads=False, post=(DATA, data(path="files/other.bin", size_bytes=10))),
    "api-datastore-resumable": api(get=DATA, patch=(DATA, _part), delete=DATA),
    "api-datastore-files": api(delete=DATA, query="path=apart"),
    "api-datastore-folders": api(reads=False, post=(DATA, data(folder="", name="deeper"))),
    "api-datastore-download": api(query="path=files/page.html"),
    "api-datastore-upload": api(reads=False, post=(DATA, _upload)),
    "api-datasets": api(post=(DATA, lambda place: {"name": "another", "paths": dataset_paths(place)})),
    "api-dataset-preview": api(reads=False, post=(DATA, lambda place: {"paths": dataset_paths(place)})),
    "api-dataset-infer": api(reads=False, post=(DATA, lambda place: {"table": table_of(place)})),
    "api-dataset-version": api(),
    "api-dataset-version-rows": api(),
    "api-dataset-version-parquet": api(),
    "api-experiments": api(),
    "api-table-parquet": api(reads=False, post=(DATA, lambda place: {"table": table_of(place)})),
    "api-dataset-version-changes": api(),
    "api-dataset-version-derive": api(
        reads=False, post=(DATA, data(name="fewer", transformations=[{"kind": "take", "count": 1}]))
    ),
    "api-dataset": api(patch=(DATA, data(description="other words")), delete=DATA),
    "api-dataset-versions": api(post=(DATA, lambda place: {"paths": dataset_paths(place)})),
    "api-dataset-version-files": api(),
    "api-dataset-profile": api(post=(DATA, data())),
    "api-dataset-profile-cancel": api(reads=False, post=(DATA, data())),
    "api-dataset-compare": api(query="a={table_version_id}&b={table_version_id}"),
    # Compute
    "compute:list": page(),
    "compute:new": form_page(form(name="another", slots=1), COMPUTE),
    "compute:detail": page(),
    "compute:edit": form_page(form(description="other words", slots=3), COMPUTE),
    "compute:delete": button(COMPUTE),
    "compute:quotas": page(),
    "compute:intake": button(COMPUTE, form(intake="paused")),
    "compute:node_intake": button(COMPUTE, form(intake="draining")),
    "compute:node_remove": button(COMPUTE),
    "compute:pool-new": form_page(form(name="many", slots=1, min_nodes=0, max_nodes=1, idle_s=9), COMPUTE),
    "compute:pool-edit": form_page(form(slots=1, min_nodes=0, max_nodes=1, idle_s=9), COMPUTE),
    "compute:pool-try": button(COMPUTE),
    "compute:node": page(),
    "compute:node_stop": button(COMPUTE),
    "compute:node_start": button(COMPUTE),
    "environments:list": page(),
    "environments:new": form_page(form(name="another", python_version="3.11", requirements="numpy"), ENVIRONMENTS),
    "environments:detail": page(),
    "environments:build_ahead": button(ENVIRONMENTS, lambda place: Form({"target": place.target.pk})),
    "environments:rebuild": button(ENVIRONMENTS, lambda place: Form({"target": place.target.pk})),
    "environments:builds": page(),
    "environments:build": page(),
    "api-datastore-checks": api(post=(STORES, lambda place: {"target": place.target.pk})),
    "api-datastore-check": api(),
    "api-compute": api(post=(COMPUTE, data(name="another", slots=1))),
    "api-quotas": api(),
    "api-compute-queue": api(),
    "api-compute-figures": api(),
    "api-compute-node-log": api(get=COMPUTE),
    "api-compute-node-stop": api(post=(COMPUTE, data()), reads=False),
    "api-compute-node-start": api(post=(COMPUTE, data()), reads=False),
    "api-compute-node": api(patch=(COMPUTE, data(intake="paused")), delete=COMPUTE, reads=False),
    "api-compute-target": api(patch=(COMPUTE, data(slots=3)), delete=COMPUTE),
    "api-environments": api(post=(ENVIRONMENTS, data(name="another", pip=["numpy"]))),
    "api-environment": api(),
    "api-environment-versions": api(),
    "api-environment-lock": api(),
    "api-environment-rebuild": api(reads=False, post=(ENVIRONMENTS, data())),
    "api-environment-builds": api(post=(ENVIRONMENTS, lambda place: {"target": place.target.pk})),
    "api-environment-build": api(),
    # Pipelines and runs
    "pipelines:list": page(),
    "pipelines:import": page(EDIT),
    "pipelines:new": form_page(form(name="another"), EDIT),
    "pipelines:detail": page(),
    "pipelines:edit": page(),
    "runs:list": page(),
    "runs:compare": page(query="left={run_id}&right={asking_id}"),
    "runs:compare_metrics": page(query="left={run_id}&right={asking_id}"),
    "runs:compare_step": page(query="left={run_id}&right={latest_id}"),
    "runs:detail": page(),
    "runs:failure": page(),
    "runs:approvals": page(),
    "runs:timeline": page(),
    "runs:usage": page(),
    "runs:trials": page(query="order=best"),
    "runs:metrics": page(),
    "runs:reuse": page(),
    "runs:notebook": page(query="output=out&path=made.ipynb"),
    "runs:artifact": page(query="path=outputs/page.html"),
    "sources:changes": page(),
    "trash:list": page(),
    "trash:delete": form_page(form(), KEEP),
    "trash:retention": form_page(form(trash_days=9, do="save"), KEEP, see=Permission.VIEW),
    "api-trash": api(),
    "api-runs-trash": api(reads=False, post=(DELETE, lambda place: {"runs": [place.run.pk]})),
    "api-run-trash": api(reads=False, post=(DELETE, data())),
    "api-run-restore": api(reads=False, post=(DELETE, data())),
    "api-run-purge": api(post=(KEEP, data())),
    "api-run-pin": api(reads=False, post=(DELETE, data(note="good")), delete=DELETE),
    "api-step-pin": api(reads=False, post=(DELETE, data(note="good")), delete=DELETE),
    "api-pipeline-restore": api(reads=False, post=(EDIT, data())),
    "api-retention": api(patch=(KEEP, data(trash_days=9))),
    "api-retention-preview": api(reads=False, post=(KEEP, data(keep_runs=1))),
    "models:list": page(),
    "models:register": form_page(form(name="another"), MODELS, query="run={run_id}&step={name}&output=out"),
    "models:detail": page(),
    "models:edit": form_page(form(description="other words"), MODELS),
    "models:delete": button(MODELS),
    "models:files": page(),
    "models:lineage": page(),
    "models:download": page(),
    "models:stage": button(MODELS, form(stage="staging")),
    "models:version_edit": form_page(form(description="other words"), MODELS),
    "models:version_delete": button(MODELS),
    "api-models": api(post=(MODELS, _model)),
    "api-model": api(patch=(MODELS, data(description="other words")), delete=MODELS),
    "api-model-versions": api(),
    "api-model-version": api(patch=(MODELS, data(stage="staging")), delete=MODELS),
    "api-model-files": api(),
    "api-model-download": api(),
    "modules:list": page(),
    "modules:detail": page(query="version=1&file=main.py"),
    "modules:publish": form_page(form(name="another"), EDIT, query="pipeline={pipeline_id}&step={name}"),
    "api-modules": api(post=(EDIT, first_of_a_module)),
    "api-module-draft": api(reads=False, post=(EDIT, module_from_step)),
    "api-module-interface": api(query="name={slug}-module"),
    "api-module": api(patch=(EDIT, data(description="other words")), delete=EDIT),
    "api-module-versions": api(),
    "api-module-version": api(patch=(EDIT, data(disabled=True))),
    "api-module-pipelines": api(),
    "lineage:page": page(),
    "lineage:of_version": page(),
    "api-pipelines": api(post=(EDIT, data(name="another"))),
    "api-validate": api(reads=False, post=(EDIT, lambda place: {"definition": definition_of(place)})),
    "api-pipeline-interface": api(query="name=digits"),
    "api-pipeline": api(patch=(EDIT, data(description="other words")), delete=EDIT),
    "api-versions": api(post=(EDIT, lambda place: {"definition": definition_of(place), "base_version": 1})),
    "api-version": api(),
    "api-version-yaml": api(),
    "api-version-archive": api(),
    "api-import-names": api(patch=(EDIT, data(sort="image", theirs="python:*", ours="python"))),
    "api-import": api(reads=False, post=(EDIT, data(text="format: pipeline-studio/1\nname: imported\n"))),
    "api-submit": api(reads=False, post=(RUN, data(parameters={}))),
    "api-sources": api(reads=False, post=(EDIT, _sources)),
    "api-edit-sources": api(
        reads=False, post=(EDIT, lambda place: {"base": place.digest, "put": [{"path": "more.py", "text": "1"}]})
    ),
    "api-source": api(),
    "api-source-file": api(query="path=main.py"),
    "api-runs": api(),
    "api-run": api(),
    "api-compare-runs": api(query="left={run_id}&right={asking_id}"),
    "api-compare-step": api(query="left={run_id}&right={latest_id}"),
    "api-lineage": api(),
    "api-approvals": api(),
    "api-run-events": api(),
    "api-tracked-runs": api(reads=False, post=(RUN, data(experiment="elsewhere"))),
    "api-tracked-run-log": api(reads=False, post=(RUN, data(points=[{"name": "loss", "value": 1}]))),
    "api-tracked-run-end": api(reads=False, post=(RUN, data(status="completed"))),
    "api-run-cancel": api(reads=False, post=(RUN, data())),
    "api-run-resubmit": api(reads=False, post=(RUN, data())),
    "api-run-clone": api(reads=False, post=(EDIT, data())),
    "api-step-rerun": api(reads=False, post=(RUN, data())),
    "api-run-continue": api(reads=False, post=(RUN, data())),
    "api-run-pause": api(reads=False, post=(RUN, data())),
    "api-run-resume": api(reads=False, post=(RUN, data())),
    "api-step": api(),
    "api-step-answer": api(reads=False, post=(Permission.VIEW, data(approve=True, comment="Good."))),
    "api-step-reuse": api(),
    "api-step-exclude-from-reuse": api(reads=False, post=(RUN, data())),
    "api-step-allow-reuse": api(reads=False, post=(RUN, data())),
    "api-run-exclude-from-reuse": api(reads=False, post=(RUN, data())),
    "api-run-allow-reuse": api(reads=False, post=(RUN, data())),
    "api-step-cancel": api(reads=False, post=(RUN, data())),
    "api-step-edit": api(post=(RUN, data(base_edit=0, settings={"arguments": "--more"}))),
    "api-step-log": api(),
    "api-step-log-search": api(query="q=x"),
    "api-step-log-download": api(),
    "api-step-output": api(),
    "api-step-output-download": api(query="path=data.txt"),
    "api-step-artifacts": api(query="path=logs"),
    "api-step-artifact-download": api(query="path=outputs/page.html"),
    "api-step-artifacts-zip": api(),
    "api-step-log-stream": api(query="stream=o"),
    "api-step-log-stream-download": api(query="stream=o"),
    "api-step-code": api(),
    "api-step-input-download": api(),
    "api-step-reproduce": api(query="inputs=include"),
    "api-step-runs": api(query="status=failed"),
    "api-step-usage": api(),
    "api-step-trials": api(query="count=5"),
    "api-step-batches": api(),
    "api-run-metrics": api(),
    "api-run-tags": api(patch=(RUN, data(tags={"stage": "baseline"}))),
    "api-step-metrics": api(),
    "api-step-metric-points": api(query="metric=loss"),
    "api-step-metric-entries": api(query="metric=names"),
    "api-step-metric-image": api(query="metric=dot"),
    "api-step-tags": api(patch=(RUN, data(tags={"stage": "baseline"}))),
}

SOCKETS: Mapping[str, str] = {
    "ws/w/<slug:slug>/runs/<int:run_id>/": "/ws/w/{slug}/runs/{run_id}/",
    "ws/w/<slug:slug>/live/": "/ws/w/{slug}/live/",
    "": "/ws/w/{slug}/nowhere/",  # takes whatever is no address, and closes it
}
DOWNLOADS = {
    "api-dataset-version-parquet",
    "datastores:download",
    "datastores:image",
    "datastores:audio",
    "datastores:thumbnail",
    "datastores:zip",
    "api-datastore-download",
    "api-datastore-zip",
    "api-step-log-download",
    "api-step-log-stream-download",
    "api-step-artifact-download",
    "api-step-artifacts-zip",
    "api-step-output-download",
    "api-step-input-download",
    "api-step-reproduce",
    "api-step-metric-image",
    "models:download",
    "api-model-download",
    "api-version-yaml",
    "api-version-archive",
}


@dataclass(frozen=True)
class Found:
    """A pattern of Django's resolver."""

    name: str
    parts: frozenset[str]
    view: Any


def addresses_found() -> list[Found]:
    """Every pattern there is but the admin's own, which Django itself guards."""
    return list(_walk(get_resolver().url_patterns, (), frozenset()))


# Django guards the admin; `test_mlflow_access` walks what speaks MLflow's protocol, with its own words for a failure.
_WALKED_ELSEWHERE = {"admin", "mlflow"}


def _walk(patterns: list[Any], spaces: tuple[str, ...], parts: frozenset[str]) -> Iterator[Found]:
    for each in patterns:
        here = parts | set(each.pattern.converters)
        if isinstance(each, URLPattern):
            name = each.name or f"nameless: {each.pattern}"
            yield Found(":".join((*spaces, name)), here, each.callback)
        elif isinstance(each, URLResolver) and each.namespace not in _WALKED_ELSEWHERE:
            inner = (*spaces, each.namespace) if each.namespace else spaces
            yield from _walk(each.url_patterns, inner, here)


PARTS = {found.name: found.parts for found in addresses_found()}


def address_of(name: str, parts: Mapping[str, Any]) -> str:
    return reverse(name, kwargs={part: parts[part] for part in PARTS[name]})


def ask(
    client: Client, method: str, name: str, parts: Mapping[str, Any], place: Place, *, body: Any = None, **headers: Any
) -> HttpResponseBase:
    """Ask for the address with `parts` in it, in the words that are good in `place`."""
    known = {**OF_NO_WORKSPACE, **OF_A_WORKSPACE}[name]
    url = address_of(name, parts) + (f"?{known.query.format_map(parts)}" if known.query else "")
    if body is None and method in known.bodies:
        body = known.bodies[method](place)
    if isinstance(body, Form):
        answer: Any = client.post(url, body.fields, headers=headers)
    elif isinstance(body, Bytes):
        answer = client.generic(
            method, url, body.content, content_type=body.content_type, headers={**headers, **body.headers}
        )
    else:
        content = "" if body is None else json.dumps(body)
        answer = client.generic(method, url, content, content_type="application/json", headers=headers)
    if answer.streaming:  # read to its end, which closes what it reads from
        answer.streaming_content = [b"".join(answer)]
    return answer


def is_api(name: str) -> bool:
    return name.startswith("api-")
