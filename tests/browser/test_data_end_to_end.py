"""Data from where it lives to what was learned from it, by clicking and typing alone: a bucket and a database are
registered, looked into, named, profiled and split, and a pipeline reads one and writes to the other.
"""

import json
import random
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from studio.installation.temporary import temporary_installation
from tests.browser.test_builder import (
    add_step,
    chips,
    form,
    name_row,
    new_pipeline,
    node,
    saved,
    section,
    write_script,
)
from tests.support.servers.postgresql import PostgreSql, postgresql
from tests.support.servers.s3 import S3Server, s3
from tests.support.studio import Place, Studio

RUN_MS = 240_000  # the first run builds its environment
WORK_MS = 60_000

TRAIN = """
\"\"\"Fit a logistic regression: who leaves within a year, from what is known of a customer and of the region.\"\"\"

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

parser = argparse.ArgumentParser()
parser.add_argument("--customers", type=Path)
parser.add_argument("--regions", type=Path)
parser.add_argument("--model", type=Path)
args = parser.parse_args()

customers = pq.read_table(args.customers).to_pylist()
regions = {row["region"]: float(row["income"]) for row in pq.read_table(args.regions).to_pylist()}
x = np.array([[row["age"], float(row["spend"]), regions[row["region"]]] for row in customers], dtype=float)
y = np.array([row["churned"] for row in customers], dtype=float)
mean, scale = x.mean(axis=0), x.std(axis=0)
x = np.c_[np.ones(len(x)), (x - mean) / scale]
weights = np.zeros(x.shape[1])
for step in range(400):
    probability = 1 / (1 + np.exp(-x @ weights))
    weights -= 0.5 * x.T @ (probability - y) / len(y)
    if step % 100 == 0:
        print(f"step {step}: accuracy {np.mean((probability > 0.5) == y):.3f}", flush=True)

args.model.mkdir(parents=True, exist_ok=True)
learned = {"mean": mean.tolist(), "scale": scale.tolist(), "weights": weights.tolist()}
(args.model / "model.json").write_text(json.dumps({**learned, "rows": len(y), "regions": regions}))
print(f"learned from {len(y)} customers")
"""
EVALUATE = """
\"\"\"Say how good the model is on customers that it has not seen.\"\"\"

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

parser = argparse.ArgumentParser()
parser.add_argument("--model", type=Path)
parser.add_argument("--customers", type=Path)
parser.add_argument("--report", type=Path)
args = parser.parse_args()

model = json.loads((args.model / "model.json").read_text())
customers = pq.read_table(args.customers).to_pylist()
x = np.array([[row["age"], float(row["spend"]), model["regions"][row["region"]]] for row in customers], dtype=float)
y = np.array([row["churned"] for row in customers])
x = np.c_[np.ones(len(x)), (x - np.array(model["mean"])) / np.array(model["scale"])]
guess = x @ np.array(model["weights"]) > 0
accuracy = float(np.mean(guess == y))
metrics = {"accuracy": accuracy, "trained_on": model["rows"], "tested_on": len(y)}
args.report.mkdir(parents=True, exist_ok=True)
(args.report / "metrics.json").write_text(json.dumps(metrics, indent=2))
lines = ["churned,guessed", *(f"{int(truth)},{int(said)}" for truth, said in zip(y, guess))]
(args.report / "guesses.csv").write_text("\\n".join(lines) + "\\n")
print(json.dumps(metrics))
"""
CUSTOMERS = 600
REGIONS = {"north": 31000, "south": 24000, "east": 28000, "west": 45000}


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """A studio of this test's own: it is told that this machine's own address may be asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_PRIVATE_HOSTS", "127.0.0.1")
        with temporary_installation(demo=False) as installation:
            running = Studio(installation)
            try:
                yield running
            finally:
                running.close()


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[S3Server, str]]:
    with s3() as server:
        name = server.make_bucket()
        rows = "".join(f"{region},{income}\n" for region, income in REGIONS.items())
        folder = server.folder / name / "reference"
        folder.mkdir()
        (folder / "regions.csv").write_text(f"region,income\n{rows}")
        yield server, name


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSql]:
    """Customers of whom the young ones who spend little tend to leave."""
    chance = random.Random(7)
    with postgresql() as server:
        rows = []
        for number in range(CUSTOMERS):
            age, spend = chance.randint(18, 80), round(chance.uniform(5, 500), 2)
            region = chance.choice(list(REGIONS))
            leaves = chance.random() < 1 / (1 + 2.718 ** ((age - 45) / 6 + (spend - 250) / 60))
            rows.append(f"({number}, {age}, {spend}, '{region}', {str(leaves).lower()})")
        server.run(
            "CREATE TABLE customers (id int PRIMARY KEY, age int, spend numeric(8, 2), region text, churned boolean)",
            f"INSERT INTO customers VALUES {', '.join(rows)}",
            user=server.user,
        )
        yield server


@pytest.mark.timeout(900)
def test_from_a_bucket_and_a_database_to_a_registered_report_and_its_lineage(
    page: Page, place: Place, studio: Studio, bucket: tuple[S3Server, str], database: PostgreSql
) -> None:
    lake, name = bucket
    page.set_default_timeout(WORK_MS)
    make_environment(page, place)
    register_bucket(page, place, lake, name)
    register_database(page, place, database)

    preview_and_name_the_file(page, place)
    preview_and_name_the_table(page, place)
    profile(page)
    split(page)

    build_pipeline(page, place)
    run = submit(page)
    see_what_it_wrote(page, place, run, lake, name)
    walk_its_lineage(page, place, run)


def make_environment(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/environments/new/")
    page.get_by_label("Name", exact=True).fill("numbers")
    page.get_by_label(re.compile("requirements|packages", re.IGNORECASE)).first.fill("numpy\npyarrow")
    page.locator("form").get_by_role("button", name=re.compile("Create|Add|Save")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("numbers")


def register_bucket(page: Page, place: Place, lake: S3Server, name: str) -> None:
    page.goto(f"/w/{place.slug}/datastores/new/")
    page.get_by_role("link", name=re.compile("Amazon S3")).click()
    page.get_by_label("Name", exact=True).fill("lake")
    page.get_by_label("Bucket", exact=True).fill(name)
    page.get_by_label("Endpoint", exact=True).fill(lake.endpoint)
    page.get_by_label("Region", exact=True).fill(lake.region)
    page.get_by_label("Bucket in the path").check()
    page.get_by_label("Access key", exact=True).fill(lake.key)
    page.get_by_label("Secret key", exact=True).fill("not the key")
    test_connection(page, works=False)
    page.get_by_label("Secret key", exact=True).fill(lake.secret)
    test_connection(page, works=True)
    page.get_by_role("button", name="Register datastore").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("lake")


def register_database(page: Page, place: Place, database: PostgreSql) -> None:
    page.goto(f"/w/{place.slug}/datastores/new/")
    page.get_by_role("link", name=re.compile("PostgreSQL")).click()
    page.get_by_label("Name", exact=True).fill("shop")
    page.get_by_label("Host", exact=True).fill(database.host)
    page.get_by_label("Port", exact=True).fill(str(database.port))
    page.get_by_label("Database", exact=True).fill(database.database)
    page.get_by_label("User", exact=True).fill(database.user)
    page.get_by_label("Password", exact=True).fill(database.password)
    test_connection(page, works=True)
    page.get_by_role("button", name="Register datastore").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("shop")


def test_connection(page: Page, *, works: bool) -> None:
    page.get_by_role("button", name="Test connection").click()
    mark = page.locator(f"[data-test-mark={'good' if works else 'bad'}]")
    expect(mark).to_be_visible(timeout=WORK_MS)


test_connection.__test__ = False  # type: ignore[attr-defined]


def preview_and_name_the_file(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datastores/")
    page.get_by_role("main").get_by_role("link", name="lake").first.click()
    page.get_by_role("link", name="reference").first.click()
    page.get_by_role("link", name="regions.csv").first.click()
    expect(page.get_by_role("cell", name="45000")).to_be_visible(timeout=WORK_MS)

    page.goto(f"/w/{place.slug}/datasets/new/?kind=table")
    page.get_by_label("Datastore", exact=True).select_option("lake")
    page.get_by_label("Path or pattern").fill("reference/regions.csv")
    page.get_by_label("Path or pattern").blur()
    expect(page.get_by_role("cell", name="45000")).to_be_visible(timeout=WORK_MS)
    page.get_by_label("Name", exact=True).fill("regions")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("regions")
    expect(page.get_by_role("cell", name="24000")).to_be_visible(timeout=WORK_MS)


def preview_and_name_the_table(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datastores/")
    page.get_by_role("main").get_by_role("link", name="shop").first.click()
    page.get_by_role("link", name="customers").first.click()
    expect(page.get_by_role("region", name="First rows of customers")).to_contain_text("north", timeout=WORK_MS)

    page.get_by_role("link", name="Use as dataset").click()
    expect(page.get_by_role("region", name="The first rows")).to_contain_text("churned", timeout=WORK_MS)
    page.get_by_label("Name", exact=True).fill("customers")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("customers")
    expect(page.get_by_role("region", name="First rows").first).to_contain_text("churned", timeout=WORK_MS)


def profile(page: Page) -> None:
    page.get_by_role("link", name="Profile", exact=True).click()
    page.get_by_role("button", name="Profile version 1").click()
    expect(page.locator("#profile-columns")).to_contain_text(f"{CUSTOMERS} rows, 5 columns", timeout=WORK_MS)


def split(page: Page) -> None:
    page.get_by_role("link", name="Derive").first.click()
    page.get_by_role("group", name="Add a step").get_by_role("button", name=re.compile("[Ss]plit")).click()
    page.get_by_label("Percent of the rows in the first part").fill("75")
    page.get_by_label("Which part").select_option("both parts, as two datasets")
    page.get_by_label("Which part").blur()
    names = page.locator("[data-second-name]")
    expect(names).to_be_visible(timeout=WORK_MS)
    page.locator("[data-new-name]").get_by_role("textbox").fill("customers-train")
    names.get_by_role("textbox").fill("customers-test")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("customers-t", timeout=WORK_MS)


def build_pipeline(page: Page, place: Place) -> None:
    new_pipeline(page, place, "Who leaves")
    add_step(page, "train")
    write_script(page, TRAIN)
    form(page).get_by_label("Environment", exact=True).select_option("numbers (latest)")
    for input_name, dataset in (("customers", "customers-train"), ("regions", "regions")):
        row = name_row(page, "Inputs", "Add input", input_name)
        row.get_by_role("combobox").select_option(f"{dataset} (latest, table)")
        expect(row).to_contain_text("pandas.read_parquet(path)")
    section(page, "Outputs").get_by_role("textbox").fill("model")
    insert_arguments(page, "input customers", "input regions", "output model")

    form(page).get_by_role("button", name="Add a step that reads this one's output").click()
    page.keyboard.type("evaluate")
    expect(node(page, "evaluate")).to_be_visible()
    write_script(page, EVALUATE)
    section(page, "Inputs").get_by_role("textbox").first.fill("model")
    row = name_row(page, "Inputs", "Add input", "customers")
    row.get_by_role("combobox").select_option("customers-test (latest, table)")
    output = section(page, "Outputs").get_by_role("listitem")
    output.get_by_role("textbox").fill("report")
    output.get_by_text("More", exact=True).click()
    output.get_by_label("Datastore", exact=True).select_option("lake")
    destination = output.get_by_role("textbox", name="Destination")
    destination.fill("reports/")
    output.get_by_role("button", name="{run-id}").click()
    expect(destination).to_have_value("reports/{run-id}")
    output.get_by_label("Register as a dataset").check()
    output.get_by_label("Dataset", exact=True).fill("churn-report")
    output.get_by_label("Tags", exact=True).fill("stage=trial")
    insert_arguments(page, "input model", "input customers", "output report")
    saved(page, 1)
    expect(page.locator("[data-builder=problems]")).to_be_hidden()


def insert_arguments(page: Page, *names: str) -> None:
    arguments = form(page).get_by_role("textbox", name="Arguments")
    arguments.fill("")
    for name in names:
        chips(page).get_by_role("button", name=name).click()


def submit(page: Page) -> int:
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("[data-run=status]")).to_contain_text(re.compile("Completed|Failed"), timeout=RUN_MS)
    expect(page.locator("[data-run=status]")).to_contain_text("Completed")
    number = re.search(r"/runs/(\d+)/", page.url)
    assert number
    return int(number[1])


def see_what_it_wrote(page: Page, place: Place, run: int, lake: S3Server, name: str) -> None:
    files = lake.files(name)
    metrics = json.loads(files[f"reports/{run}/metrics.json"])
    assert metrics["trained_on"] + metrics["tested_on"] == CUSTOMERS
    assert metrics["accuracy"] > 0.7, metrics
    assert len(files[f"reports/{run}/guesses.csv"].splitlines()) == metrics["tested_on"] + 1

    page.goto(f"/w/{place.slug}/runs/{run}/?step=train&tab=files")
    panel = page.locator("#step-panel")
    expect(panel).to_contain_text("customers-train:1")
    expect(panel).to_contain_text("table of 5 columns")
    page.goto(f"/w/{place.slug}/runs/{run}/?step=evaluate&tab=files")
    expect(panel.get_by_role("link", name=f"lake: reports/{run}")).to_be_visible()
    expect(panel).to_contain_text("metrics.json")
    panel.get_by_role("link", name="churn-report:1").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("churn-report")
    expect(page.get_by_role("main")).to_contain_text(f"run {run}, step evaluate")


def walk_its_lineage(page: Page, place: Place, run: int) -> None:
    page.get_by_role("link", name="Made by, used by").click()
    page.get_by_role("link", name="Walk the lineage").click()
    expect(page.locator("#lineage[data-ready]")).to_be_attached()
    for title in ("churn-report:1", "evaluate", "train", "customers-test:1"):
        expect(card(page, title)).to_be_visible()
    card(page, "evaluate").click()
    panel = page.get_by_role("complementary", name="What is selected")
    expect(panel).to_contain_text(f"{run} of Who leaves, version 1")
    expect(panel).to_contain_text("numbers:1")

    # On to where the test data came from: a part of the customers of the database.
    card(page, "customers-test:1").dblclick()
    expect(page.get_by_role("heading", level=1)).to_contain_text("customers-test:1")
    expect(card(page, "customers:1")).to_be_visible()
    expect(card(page, "shop")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("churn-report:1")
    assert place.slug in page.url


def card(page: Page, title: str):
    return page.locator(".graph-node").filter(
        has=page.locator(".graph-node__title", has_text=re.compile(f"^{re.escape(title)}$"))
    )
