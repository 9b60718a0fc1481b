"""People have data: the database of an earlier landing is brought up to date, and everything in it still works.

`landed/*.sql.gz` are SQLite databases as those versions left them: the sample pipeline has run twice (the second time
by reuse), datasets with several versions point into two datastores.
"""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

LANDED = sorted((Path(__file__).parent / "landed").glob("*.sql.gz"))

LOOK = """
import json, sys
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from compute.models import Job, KeptFile, StorageCount, StorageUse
from compute.services.recount import recount_storage
from datastores.models import Dataset, Datastore
from pipelines.models import Run, StepRun
from studio.workspaces.models import User
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.get(username="admin"), backend="django.contrib.auth.backends.ModelBackend")
pages = ["", "pipelines/", "pipelines/1/", "pipelines/1/edit/", "runs/", "runs/1/", "runs/2/", "compute/",
         "environments/", "datastores/", "datastores/1/", "datastores/2/", "datastores/3/", "datasets/", "datasets/1/",
         "datasets/2/", "datasets/2/?version=1", "datastores/2/file/?path=tables/t.csv"]
api = ["runs/1/", "runs/1/steps/train-forest/", "datasets/2/versions/", "datastores/", "pipelines/1/versions/1/"]
answers = {page: client.get(f"/w/demo/{page}").status_code for page in pages}
answers |= {f"api {path}": client.get(f"/api/workspaces/demo/{path}").status_code for path in api}
asked = list(StorageCount.objects.values_list("workspace", "searches"))
recount_storage(1)
json.dump({
    "asked": asked,
    "kept": dict(KeptFile.objects.values_list("place", "size_bytes")),
    "brought": dict(StorageUse.objects.values_list("person", "brought_bytes")),
    "answers": answers,
    "datastores": list(Datastore.objects.order_by("name").values_list("name", flat=True)),
    "paths": [version.definition.paths[0].path for version in Dataset.objects.get(name="tables").versions.all()],
    "inputs": [name for step in StepRun.objects.filter(run=1) for name in step.frozen.inputs],
    "jobs": [job.spec.command[0] for job in Job.objects.all()],
    "runs": list(Run.objects.order_by("id").values_list("status", flat=True)),
}, sys.stdout)
"""


@pytest.mark.parametrize("dump", LANDED, ids=[dump.name.removesuffix(".sql.gz") for dump in LANDED])
def test_an_installation_of_an_earlier_version_goes_on(dump: Path, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "studio.sqlite3")
    database.executescript(gzip.decompress(dump.read_bytes()).decode())
    database.close()
    (tmp_path / "workspaces/1/warehouse/tables").mkdir(parents=True)
    (tmp_path / "workspaces/1/workspaceblobstore").mkdir()
    (tmp_path / "workspaces/1/warehouse/tables/t.csv").write_text("a,b\n1,2\n")
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "BROKER_URL"}
    }
    environment |= {"STUDIO_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    found = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert found.returncode == 0, found.stderr
    seen = json.loads(found.stdout)
    wrong = {page: status for page, status in seen["answers"].items() if status not in {200, 302}}
    assert not wrong, f"{wrong}\n{found.stderr}"
    assert seen["asked"] == [[1, True]]
    assert seen["kept"] == {"workspaces/1/warehouse/tables/t.csv": 8}
    assert seen["brought"]["0"] == 8
    assert seen["datastores"] == ["warehouse", "workspaceblobstore", "workspacefilestore"]
    assert seen["paths"] == ["tables", "tables/*.csv"]
    assert "images" in seen["inputs"]
    assert set(seen["jobs"]) == {"python"}
    assert seen["runs"] == ["completed", "completed"]
