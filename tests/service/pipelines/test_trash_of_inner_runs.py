"""What steps of a run had made goes where the run goes: into the trash, out of it, and for good."""

from typing import Any

import pytest

from datastores.backends import get_backend
from pipelines import services
from pipelines.models import Pipeline, Run, StepRun, TrashedRun
from pipelines.queries import run_of, run_state
from pipelines.retention import Rules, leaving
from pipelines.trash_queries import staying
from studio.lib.problems import ConflictError
from tests.service.pipelines.trash import purge, records, step
from tests.service.pipelines.world import World


def mapping(world: World, *more: dict[str, Any], name: str = "outer") -> Pipeline:
    """A map over two words, and a step that reads what it made."""
    fit = {**world.step("fit"), "arguments": "${{parameters.word}}"}
    world.pipeline(fit, name="inner", parameters=[{"name": "word", "type": "string"}])
    made = {
        "kind": "map",
        "name": "each",
        "pipeline": "inner",
        "items": '["one", "two"]',
        "item_parameters": "word",
        "outputs": [{"name": "out"}],
    }
    return world.pipeline(made, world.step("after", "each"), *more, name=name)


def done(world: World, run: Run) -> Run:
    """Play all nodes until it is over."""
    for _turn in range(4):
        services.tend_all()
        world.drain()
    run.refresh_from_db()
    assert run.status == "completed"
    return run


def inner(run: Run) -> list[Run]:
    return list(Run.everything.filter(parent_step__run=run).order_by("child_number"))


def is_there(world: World, path: str) -> bool:
    found = get_backend(world.datastore).local_path(path)
    return found is not None and found.exists()


def test_into_the_trash_and_out_of_it(world: World) -> None:
    run = done(world, world.submit(mapping(world)))
    services.trash_run(world.access, run)
    assert all(each.trashed_at for each in inner(run))
    assert [trash.run_id for trash in TrashedRun.objects.all()] == [run.pk]
    services.restore_run(world.access, run)
    assert not any(each.trashed_at for each in inner(run))


def test_alone_it_goes_nowhere(world: World) -> None:
    run = done(world, world.submit(mapping(world)))
    with pytest.raises(ConflictError, match=f"is part of run {run.pk}, and goes where that goes"):
        services.trash_run(world.access, inner(run)[0])
    services.pin(world.access, inner(run)[1])
    with pytest.raises(ConflictError, match=f"Run {inner(run)[1].pk} was pinned"):
        services.trash_run(world.access, run)


def test_one_that_was_continued_by_itself_keeps_its_run(world: World) -> None:
    run = world.submit(mapping(world))
    services.tend_all()
    world.complete(world.claim())
    world.fail(world.claim())
    services.tend_all()
    run.refresh_from_db()
    assert run.status == "failed"
    (failed,) = [each for each in inner(run) if each.status == "failed"]
    services.continue_run(world.access, failed)
    with pytest.raises(ConflictError, match=f"Run {failed.pk}, which a step of it had made, is not over"):
        services.trash_run(world.access, run)


def test_for_good_with_its_files(world: World) -> None:
    run = done(world, world.submit(mapping(world)))
    paths = [path for each in inner(run) for path in records(each, "fit").values()]
    assert all(is_there(world, path) for path in paths)
    children = [each.pk for each in inner(run)]
    purge(world, run)
    assert not Run.everything.filter(pk__in=children).exists()
    assert not any(is_there(world, path) for path in paths)
    assert not StepRun.objects.exists()


def test_what_a_rerun_kept_goes_over_to_it(world: World) -> None:
    run = done(world, world.submit(mapping(world)))
    children = [each.pk for each in inner(run)]
    rerun = services.rerun_from(world.access, run, "after")
    done(world, rerun)
    purge(world, run)
    assert [each.pk for each in inner(rerun)] == children, "they are the rerun's now"
    (manifest,) = records(rerun, "each").values()
    assert is_there(world, f"{manifest}/items.json")
    again = services.rerun_from(world.access, rerun, "after")
    assert done(world, again).status == "completed"
    purge(world, again, rerun)
    assert not is_there(world, f"{manifest}/items.json")
    assert not Run.everything.exists()


def test_what_an_inner_run_in_the_trash_took_is_there_when_it_comes_back(world: World) -> None:
    word = {"name": "word", "type": "string", "default": "one"}
    fit = {**world.step("fit"), "arguments": "${{parameters.word}}"}
    maker = done(world, world.submit(world.pipeline(fit, name="alone", parameters=[word])))
    taker = done(world, world.submit(mapping(world)))
    (took,) = [each for each in inner(taker) if step(each, "fit").reused_from_id]
    services.trash_run(world.access, taker)
    purge(world, maker)
    services.restore_run(world.access, taker)
    (path,) = records(took, "fit").values()
    assert is_there(world, path)
    assert step(took, "fit").reuse_note.startswith(f"Made by run {maker.pk}, which was deleted since")


def test_its_page_says_where_it_is(world: World) -> None:
    run = done(world, world.submit(mapping(world)))
    services.trash_run(world.access, run)
    child = run_of(world.workspace, inner(run)[0].pk)
    assert run_state(child)["trash"]["trashed_by"] == world.owner.username


def test_what_its_runs_took_from_each_other_does_not_stay(world: World) -> None:
    made = {"kind": "map", "name": "each", "pipeline": "inner", "items": '["one", "two"]', "item_parameters": "word"}
    fit = {**world.step("fit", "load"), "arguments": "${{inputs.from_load}} ${{parameters.word}}"}
    world.pipeline(world.step("load"), fit, name="inner", parameters=[{"name": "word", "type": "string"}])
    run = done(world, world.submit(world.pipeline(made, name="outer")))
    assert sum(step(each, "load").reused_from_id is not None for each in inner(run)) == 1
    assert staying(run) == []


def test_one_that_is_pinned_keeps_its_run_from_the_rules(world: World) -> None:
    pipeline = mapping(world)
    first, second = (done(world, world.submit(pipeline)) for _run in range(2))
    rules = Rules(keep_runs=0)
    assert set(leaving(world.workspace, rules, limit=10)) == {first.pk, second.pk}
    services.pin(world.access, inner(first)[0])
    assert set(leaving(world.workspace, rules, limit=10)) == {second.pk}


def test_who_restores_a_part_is_told_of_the_whole(world: World) -> None:
    run = done(world, world.submit(mapping(world)))
    services.trash_run(world.access, run)
    for what in (services.restore_run, services.purge_now):
        with pytest.raises(ConflictError, match=f"is part of run {run.pk}, and goes where that goes"):
            what(world.access, inner(run)[0])
