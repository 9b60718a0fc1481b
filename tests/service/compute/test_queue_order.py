"""Who is next: priority, then whoever has the fewest running, then turn by turn, then age; in a long queue too."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.models import Job, Turn
from compute.services.leases import claim
from tests.support.compute import Compute, completed

pytestmark = pytest.mark.django_db


def names(compute: Compute, count: int, *, finish: bool = False) -> str:
    """Claim so many; the first letters of those whose turn it was."""
    node = compute.node(f"n{timezone.now()}")
    found = ""
    for _ in range(count):
        lease = claim(node)
        found += Job.objects.select_related("requested_by").get(pk=lease.job_id).requested_by.first_name[0]
        if finish:
            completed(lease)
    return found


def test_whoever_has_the_fewest_running_goes_first() -> None:
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    for _ in range(4):
        compute.job(requested_by_id=ada.pk)
    for _ in range(2):
        compute.job(requested_by_id=bob.pk)
    assert names(compute, 6) == "ababaa"


def test_people_take_turns_where_one_step_runs_at_a_time() -> None:
    compute = Compute()
    people = [compute.person(name) for name in ("ada", "bob", "eve")]
    for person in people:
        for _ in range(3):
            compute.job(requested_by_id=person.pk)
    assert names(compute, 9, finish=True) == "abe" * 3


def test_a_person_who_comes_later_does_not_wait_for_all_that_was_there() -> None:
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    for _ in range(20):
        compute.job(requested_by_id=ada.pk)
    assert names(compute, 3, finish=True) == "aaa"
    compute.job(requested_by_id=bob.pk)
    assert "b" in names(compute, 2, finish=True)


def test_fairness_is_between_people_and_not_between_kinds_of_jobs() -> None:
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    node = compute.node(cpus=100)
    for cpus in (1, 2, 3, 4):
        compute.job(requested_by_id=ada.pk, cpus=cpus)
    for _ in range(2):
        compute.job(requested_by_id=bob.pk)
    owners = [Job.objects.get(pk=claim(node).job_id).requested_by_id for _ in range(6)]
    assert owners == [ada.pk, bob.pk, ada.pk, bob.pk, ada.pk, ada.pk]


def test_a_higher_priority_goes_before_fairness() -> None:
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    compute.job(requested_by_id=bob.pk)
    for _ in range(2):
        compute.job(requested_by_id=ada.pk, priority=3)
    assert names(compute, 3) == "aab"


def test_jobs_of_nobody_take_turns_as_one_person() -> None:
    compute = Compute()
    ada = compute.person("ada")
    for _ in range(2):
        compute.job()
    compute.job(requested_by_id=ada.pk)
    node = compute.node()
    owners = [Job.objects.get(pk=claim(node).job_id).requested_by_id for _ in range(3)]
    assert owners == [None, ada.pk, None]


def test_a_turn_is_noted_only_where_others_wait_too() -> None:
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    node = compute.node()
    compute.job(requested_by_id=ada.pk)
    claim(node)
    assert not Turn.objects.exists()
    for person in (ada, bob):
        compute.job(requested_by_id=person.pk)
    claim(node)
    claim(node)
    assert [turn.person for turn in Turn.objects.all()] == [bob.pk]


def _long_queue(count: int) -> Compute:
    """So many jobs of one person, and then one of another."""
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    first = compute.job(requested_by_id=ada.pk)
    Job.objects.bulk_create((Job(**_values(first)) for _ in range(count - 1)), batch_size=500)
    last = compute.job(requested_by_id=bob.pk)
    Job.objects.filter(pk=last.pk).update(queued_at=timezone.now() + timedelta(seconds=5))
    return compute


def _values(job: Job) -> dict[str, object]:
    return {field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields if field.attname != "id"}


def _claim_statements(compute: Compute) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert claim(compute.node(f"n{timezone.now()}")) is not None
    return [query["sql"] for query in captured]


def test_a_long_queue_takes_no_more_statements_than_a_short_one() -> None:
    assert len(_claim_statements(_long_queue(300))) == len(_claim_statements(_long_queue(2)))


def test_the_other_person_is_served_soon_in_a_queue_of_ten_thousand() -> None:
    compute = _long_queue(10_000)
    assert names(compute, 2) == "ab"


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_a_claim_reads_no_more_rows_of_a_long_queue() -> None:
    """PostgreSQL counts for itself how many rows a statement went through."""
    compute = _long_queue(10_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE compute_job")
    for statement in _claim_statements(compute):
        if statement.lstrip().startswith(("SELECT", "WITH")) and "compute_job" in statement:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}".replace("%", "%%"))
                plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on compute_job" not in plan, (statement, plan)
            rows = [float(rows) for rows in re.findall(r"actual rows=([\d.]+)", plan)]
            assert max(rows) < 50, (statement, plan)


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_a_claim_looks_into_indexes_alone() -> None:
    """SQLite does not count rows; its plan says whether a table or an index is gone through from end to end."""
    compute = _long_queue(50)
    for statement in _claim_statements(compute):
        if "compute_job" not in statement or statement.lstrip().startswith("INSERT"):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}".replace("%", "%%"))
            plan = [row[3] for row in cursor.fetchall()]
        assert not [line for line in plan if re.match(r"SCAN (compute_)?job", line)], (statement, plan)


def test_the_order_within_a_lane_is_by_age() -> None:
    compute = Compute()
    jobs = [compute.job() for _ in range(3)]
    for job, later in pairwise(reversed(jobs)):
        Job.objects.filter(pk=later.pk).update(queued_at=Job.objects.get(pk=job.pk).queued_at + timedelta(seconds=1))
    node = compute.node()
    assert [claim(node).job_id for _ in jobs] == [job.pk for job in reversed(jobs)]
