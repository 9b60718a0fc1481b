"""What MLflow's client prints as a run ends, opened in a real browser by somebody who is not signed in."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.runs import address
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio


@pytest.mark.parametrize("whose", ["", "/{slug}"])
def test_it_leads_past_the_sign_in_to_the_run(visitors: Visitors, place: Place, studio: Studio, whose: str) -> None:
    tracked = studio.api(place.owner).post(
        f"/api/mlflow/{place.slug}/api/2.0/mlflow/runs/create", {"experiment_id": "0", "run_name": "first"}
    )["run"]["info"]
    page = visitors.open()
    base = f"/api/mlflow{whose.format(slug=place.slug)}/"
    page.goto(f"{base}#/experiments/{tracked['experiment_id']}/runs/{tracked['run_id']}")
    page.get_by_label("Username").fill(place.reader.username)
    page.get_by_label("Password").fill(place.reader.password)
    page.get_by_role("button", name="Sign in").click()
    run = int(re.sub(r"\Ar(\d+)-.*", r"\1", tracked["run_id"]))
    expect(page).to_have_url(re.compile(re.escape(address(place, run, "?step="))))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Tracked runs")

    page.goto(f"{base}#/experiments/{tracked['experiment_id']}")
    expect(page).to_have_url(re.compile(r"/runs/\?experiment=Default"))
    page.goto(base)
    expect(page.get_by_role("heading", name="An address for MLflow")).to_be_visible()
