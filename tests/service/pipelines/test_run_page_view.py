"""The page of a run from the server: how much it reads, and who may."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from studio.workspaces.models import Role
from tests.service.pipelines.world import World


@pytest.mark.parametrize("steps", [2, 40])
def test_the_page_reads_as_much_for_many_steps_as_for_few(
    world: World, client: Client, steps: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = world.step("s0")
    run = world.submit(world.pipeline(first, *(world.step(f"s{n}", "s0") for n in range(1, steps))))
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    with django_assert_max_num_queries(12):
        page = client.get(f"/w/ours/runs/{run.pk}/")
    assert page.status_code == 200
    assert page.content.decode().count("<tr data-step=") == steps
    with django_assert_max_num_queries(8):
        assert client.get(f"/w/ours/runs/{run.pk}/timeline/").json()["data"]


def test_a_stranger_finds_nothing(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("only")))
    stranger = World.make("theirs")
    client.force_login(stranger.owner, backend="django.contrib.auth.backends.ModelBackend")
    for slug in ("ours", "theirs"):
        for part in ("", "failure/", "timeline/"):
            assert client.get(f"/w/{slug}/runs/{run.pk}/{part}").status_code == 404


def test_a_reader_s_page_has_nothing_to_press(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("only")))
    client.force_login(world.member("rita", Role.READER), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(f"/w/ours/runs/{run.pk}/").content.decode()
    assert "Cancel run" not in page
    assert "View pipeline" in page
