"""A workspace with something on every page, and the addresses of those pages."""

from dataclasses import dataclass

from tests.browser.runs import Script, submit
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

WORKS = """
import pathlib, sys
print('hello')
(pathlib.Path(sys.argv[-1]) / 'result.csv').write_text('a,b')
pathlib.Path('outputs').mkdir()
pathlib.Path('outputs/note.txt').write_text('hello')
"""
FAILS = "import sys\nprint('\\x1b[31mno such column\\x1b[0m', file=sys.stderr)\nsys.exit(3)\n"
PUT_TABLE = """
from io import BytesIO
from datastores.backends import get_backend
from datastores.models import Datastore
backend = get_backend(Datastore.objects.get(workspace__slug=slug, is_default=True))
backend.write("tables/orders.csv", BytesIO(b"id,at,note\\n1,2026-01-01,\\n2,2026-01-02,gift\\n"))
"""
FIND_COMPUTE = """
from compute.models import EnvironmentBuild, Node
result = {
    "node": Node.objects.filter(target_id=target).latest("started_at").pk,
    "build": EnvironmentBuild.objects.latest("id").pk,
}
"""
ENDED = {"completed", "failed", "cancelled"}


@dataclass(frozen=True)
class Room:
    place: Place
    pipeline: int
    draft: int  # a pipeline without steps
    completed: int
    failed: int
    datastore: int
    dataset: int
    table: int
    model: int
    target: int
    node: int
    pool: int
    module: int
    environment: int
    build: int

    def at(self, page: str) -> str:
        """The address of a page of `PAGES`, or of one of the empty workspace."""
        return f"/w/{self.place.slug}/{page.format(**vars(self))}"


# By name: the address, and what must be seen before the page is whole.
PAGES = {
    "pipelines": ("pipelines/", "main"),
    "pipeline": ("pipelines/{pipeline}/", ".graph-node"),
    "import": ("pipelines/import/", "[data-import]"),
    "pipeline-without-steps": ("pipelines/{draft}/", "main"),
    "builder": ("pipelines/{pipeline}/edit/", ".graph-node"),
    "builder-without-steps": ("pipelines/{draft}/edit/", "#builder"),
    "new-pipeline": ("pipelines/new/", "main"),
    "modules": ("modules/", "main"),
    "module": ("modules/{module}/?file=main.py", ".module-file"),
    "publish-module-to-choose": ("modules/publish/?pipeline={pipeline}", "main"),
    "publish-module": ("modules/publish/?pipeline={pipeline}&step=last", ".module-form"),
    "runs": ("runs/", "main"),
    "runs-none-found": ("runs/?q=nothing-of-this-name", "main"),
    "run": ("runs/{completed}/", ".graph-node"),
    "compare-runs": ("runs/compare/?left={completed}&right={failed}&show=all", ".compare-step"),
    "compare-runs-to-choose": ("runs/compare/", "main"),
    "run-failed": ("runs/{failed}/", ".graph-node"),
    "run-timeline": ("runs/{completed}/?view=timeline", ".js-plotly-plot"),
    "run-table": ("runs/{completed}/?view=table", "tr[data-step]"),
    "run-step": ("runs/{completed}/?step=last", "#step-panel"),
    "run-log": ("runs/{completed}/?step=last&tab=log", ".log-viewport"),
    "run-files": ("runs/{completed}/?step=last&tab=files", "#step-panel"),
    "run-artifacts": ("runs/{completed}/?step=last&tab=artifacts", ".run-artifacts .run-file"),
    "run-code": ("runs/{completed}/?step=last&tab=code", ".cm-content"),
    "run-environment": ("runs/{completed}/?step=last&tab=environment", "#step-panel"),
    "lineage": ("lineage/?file={datastore}:runs", "#lineage[data-ready]"),
    "lineage-to-choose": ("lineage/", "main"),
    "datastores": ("datastores/", "main"),
    "new-datastore": ("datastores/new/", "main"),
    "datastore": ("datastores/{datastore}/", "main"),
    "edit-datastore": ("datastores/{datastore}/edit/", "main"),
    "datasets": ("datasets/", "main"),
    "new-dataset": ("datasets/new/", "main"),
    "dataset": ("datasets/{dataset}/", "main"),
    "dataset-versions": ("datasets/{dataset}/?tab=versions", ".versions-table"),
    "models": ("models/", ".datasets-table"),
    "model": ("models/{model}/", ".files-table"),
    "model-lineage": ("models/{model}/?tab=lineage", ".lineage-pair"),
    "model-versions": ("models/{model}/?tab=versions", ".versions-table"),
    "register-model": ("models/register/?run={completed}&step=last&output=out", "main form"),
    "edit-model": ("models/{model}/edit/", "main form"),
    "new-table": ("datasets/new/?kind=table&datastore={datastore}&path=tables/orders.csv", ".rows-table"),
    "table": ("datasets/{table}/", ".rows-table"),
    "derive-table": ("datasets/{table}/versions/1/derive/", ".rows-table"),
    "edit-dataset": ("datasets/{dataset}/edit/", "main"),
    "compute": ("compute/", "main"),
    "new-target": ("compute/new/", "main"),
    "target": ("compute/{target}/", "main"),
    "node": ("compute/{target}/nodes/{node}/", "main"),
    "quotas": ("compute/quotas/", "main"),
    "new-pool": ("compute/new/pool/processes/", "main"),
    "pool": ("compute/{pool}/", "main"),
    "edit-pool": ("compute/{pool}/pool/", "main"),
    "environments": ("environments/", "main"),
    "new-environment": ("environments/new/", "main"),
    "environment": ("environments/{environment}/", "main"),
    "builds": ("environments/builds/", "main"),
    "build": ("environments/builds/{build}/", "main"),
    "members": ("members/", "main"),
    "not-found": ("runs/999999/", "h1"),
}
WITH_A_PLOT = {"run-timeline"}
WITH_AN_EDITOR = {"run-code"}


def furnish(studio: Studio) -> Room:
    """A new place with pipelines, a run that completed, one that failed, and a dataset."""
    place = studio.place()
    api, base = studio.api(place.owner), f"/api/workspaces/{place.slug}"
    git = {
        "repository": "https://example.org/team/report.git",
        "branch": "main",
        "commit": "c0ffee00" * 5,
        "dirty": None,
    }
    last = Script("last", WORKS, after=("first",), more={"git": git})
    completed = submit(studio, place, Script("first", WORKS), last, name="Weekly report")
    name = "A forecast whose name somebody typed in full, with everything that it reads and everything that it writes"
    failed = submit(studio, place, Script("first", FAILS), last, name=name[:100])
    draft = api.post(f"{base}/pipelines/", {"name": "Draft", "description": ""})["id"]
    datastore = api.get(f"{base}/datastores/")["results"][0]["id"]
    paths = [{"datastore_id": datastore, "path": "runs"}]
    dataset = api.post(f"{base}/datasets/", {"name": "earlier-results", "description": "", "paths": paths})["id"]
    studio.inside(PUT_TABLE, slug=place.slug)
    source = {"kind": "files", "paths": [{"datastore_id": datastore, "path": "tables/orders.csv"}]}
    table = api.post(f"{base}/datasets/", {"name": "orders", "table": {"source": source}, "tags": {"stage": "raw"}})
    target = api.get(f"{base}/compute/")["results"][0]["id"]
    pool = api.post(f"{base}/compute/", {"name": "burst", "kind": "pool", "slots": 2, "pool": {"max_nodes": 3}})
    states = {}
    for run in (completed, failed):
        what = f"run {run} ends"
        states[run] = wait_for(lambda run=run: _ended(api.get(f"{base}/runs/{run}/")), what=what, timeout_s=90)
    assert states[completed]["status"] == "completed", states[completed]["reason"]
    what = {
        "run": completed,
        "step": "last",
        "name": "weekly-report",
        "description": "What went out.",
        "tags": {"a": "b"},
    }
    for _version in range(2):
        model = api.post(f"{base}/models/", {**what, "output": "out", "stage": "production"})
    pipeline = states[completed]["pipeline"]["id"]
    published = {"name": "last-step", "pipeline": pipeline, "step": "last", "base_version": 0}
    module = api.post(f"{base}/modules/", {**published, "description": "Writes the report.", "note": "The first one."})
    return Room(
        place=place,
        pipeline=pipeline,
        draft=draft,
        completed=completed,
        failed=failed,
        datastore=datastore,
        dataset=dataset,
        table=table["id"],
        model=model["model_id"],
        target=target,
        pool=pool["id"],
        module=module["id"],
        environment=api.get(f"{base}/environments/")["results"][0]["id"],
        **studio.inside(FIND_COMPUTE, target=target),
    )


def _ended(state: dict) -> dict | None:
    return state if state["status"] in ENDED else None
