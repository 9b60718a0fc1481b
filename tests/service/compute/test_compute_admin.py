"""Django's admin shows compute's rows, in few queries however many there are."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from compute.models import Attempt, ComputeTarget, Environment, Job, LogChunk, Node
from compute.services import ensure_curated
from compute.services.leases import claim
from tests.support.compute import Compute, completed

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    admin = get_user_model().objects.create_superuser("root", password="x")
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _rows() -> None:
    compute = Compute()
    node = compute.node()
    for _ in range(5):
        compute.job()
        lease = claim(node)
        completed(lease)
        LogChunk.objects.create(
            attempt_id=lease.attempt_id,
            seq=0,
            byte_start=0,
            byte_count=1,
            line_start=0,
            newline_count=1,
            streams=[[1, "o"]],
            data=b"x",
        )


@pytest.mark.parametrize("model", [ComputeTarget, Node, Environment, Job, Attempt, LogChunk])
def test_a_list_costs_the_same_however_long_it_is(client: Client, model: type) -> None:
    ensure_curated()
    address = f"/admin/compute/{model._meta.model_name}/"

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
            assert client.get(address, {"q": "a"}).status_code == 200
        return len(queries)

    _rows()
    before = cost()
    _rows()
    assert cost() <= before + 2  # a second workspace's choice in a filter
    assert before <= 40


@pytest.mark.parametrize("model", [ComputeTarget, Node, Environment, Job, Attempt, LogChunk])
def test_a_row_can_be_looked_at(client: Client, model: type) -> None:
    ensure_curated()
    _rows()
    row = model._base_manager.first()
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/admin/compute/{model._meta.model_name}/{row.pk}/change/").status_code == 200
    assert len(queries) <= 20


def test_what_only_services_write_can_not_be_written_by_hand(client: Client) -> None:
    _rows()
    job = Job.objects.first()
    assert client.get("/admin/compute/job/add/").status_code == 403
    assert client.post(f"/admin/compute/job/{job.pk}/change/", {"status": "queued"}).status_code == 403
    assert client.post(f"/admin/compute/job/{job.pk}/delete/", {"post": "yes"}).status_code == 403
