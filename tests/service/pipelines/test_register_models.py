"""What a step left becomes a version of a model: named once, numbered one after another, and never what it is not."""

import io
import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connections, transaction

from compute.spec import OutputRecord
from datastores.backends import get_backend
from pipelines import services
from pipelines.model_files import condition_of
from pipelines.models import StepOutputs, StepRun
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.services import Left
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.models import AuditEvent
from tests.service.pipelines.models import contributor, reader, register, trained
from tests.service.pipelines.world import World


def said(error: pytest.ExceptionInfo[UserError]) -> dict[tuple[str | int, ...], str]:
    return {problem.loc: problem.message for problem in error.value.problems}


def test_an_output_becomes_the_first_version_and_then_the_next(world: World) -> None:
    step = trained(world)
    version = register(world, step, description="The first try.", tags={"task": "digits"}, stage="staging")
    assert str(version) == "digits:1"
    assert (version.run_number, version.step_name, version.output_name) == (step.run_id, "train", "out")
    assert version.step_run == step
    assert (version.file_count, version.size_bytes, version.is_file) == (1, 5, False)
    assert version.fingerprint == "content of train"
    assert (version.stage, version.tags.tags, version.description) == ("staging", {"task": "digits"}, "The first try.")
    assert condition_of(version) == ("there", "")
    assert str(register(world, step)) == "digits:2"
    verbs = AuditEvent.objects.filter(verb__startswith="model.").order_by("pk").values_list("verb", "target")
    assert list(verbs) == [
        ("model.create", "digits"),
        ("model.register", "digits:1"),
        ("model.register", "digits:2"),
    ]


def test_artifacts_all_of_them_a_folder_or_a_file(world: World) -> None:
    step = trained(world, artifacts={"outputs/model/a.bin": b"abc", "outputs/model/b.bin": b"de", "logs/x.log": b"f"})
    everything = register(world, step, left=Left())
    folder = register(world, step, left=Left(artifact="outputs/model"))
    file = register(world, step, left=Left(artifact="outputs/model/a.bin", attempt=1))
    assert [(each.file_count, each.size_bytes, each.is_file) for each in (everything, folder, file)] == [
        (3, 6, False),
        (2, 5, False),
        (1, 3, True),
    ]
    assert file.output_name == ""
    assert file.path.endswith("/outputs/model/a.bin")
    assert len({each.fingerprint for each in (everything, folder, file)} - {""}) == 3


def test_the_same_bytes_have_the_same_fingerprint_wherever_they_lie(world: World) -> None:
    left = {"outputs/model.pkl": b"abc"}
    one = register(world, trained(world, "one", pipeline="p1", artifacts=left), left=Left(artifact="outputs"))
    other = register(world, trained(world, "other", pipeline="p2", artifacts=left), left=Left(artifact="outputs"))
    assert one.path != other.path
    assert one.fingerprint == other.fingerprint
    assert one.stamp != other.stamp


@pytest.mark.parametrize("name", ["", "<b>bold</b>", "a b", "../up", "x" * 101, "-x", "né"])
def test_a_name_that_none_can_have(world: World, name: str) -> None:
    with pytest.raises(UserError) as error:
        register(world, trained(world), name)
    assert "letters, digits" in said(error)[("name",)]
    assert not RegisteredModel.objects.exists()


def test_a_name_that_differs_only_by_case(world: World) -> None:
    step = trained(world)
    register(world, step, "Digits")
    with pytest.raises(UserError) as error:
        register(world, step, "digits")
    assert "There is a model “Digits”" in said(error)[("name",)]
    with pytest.raises(IntegrityError), transaction.atomic():
        RegisteredModel.objects.create(workspace=world.workspace, name="DIGITS")


def test_every_mistake_is_told_at_its_field(world: World) -> None:
    step = trained(world)
    with pytest.raises(UserError) as error:
        register(
            world,
            step,
            "a b",
            left=Left(output="nothing"),
            description="x" * 501,
            tags={"": "x", "long": "y" * 101},
            stage="best",
        )
    assert set(said(error)) == {("name",), ("output",), ("description",), ("tags", ""), ("tags", "long"), ("stage",)}
    assert "left no output “nothing”" in said(error)[("output",)]


def test_what_a_failed_step_left_is_no_model(world: World) -> None:
    run = world.submit(world.pipeline(world.step("train")))
    world.fail(world.claim(), artifacts={"outputs/half.bin": b"ab"})
    step = StepRun.objects.get(run=run)
    for left in (Left(output="out"), Left(artifact="outputs/half.bin")):
        with pytest.raises(UserError, match="has not completed"):
            register(world, step, left=left)


def test_an_output_in_which_there_is_no_file(world: World) -> None:
    step = trained(world)
    version = register(world, step)
    get_backend(world.datastore).delete(f"{version.path}/data.txt")
    with pytest.raises(UserError, match="There is no file in it"):
        register(world, step)
    with pytest.raises(UserError, match="left no artifacts"):
        register(world, step, left=Left())


def test_artifacts_that_are_not_there_or_lead_out(world: World) -> None:
    step = trained(world, artifacts={"outputs/a*.bin": b"x", "outputs/[b].bin": b"x"})
    for path in ("outputs/none.bin", "../..", "outputs/a*.bin"):
        with pytest.raises(UserError) as error:
            register(world, step, left=Left(artifact=path))
        assert set(said(error)) == {("artifact",)}
    assert register(world, step, left=Left(artifact="outputs/[b].bin")).is_file
    with pytest.raises(UserError, match="ttempt 7"):
        register(world, step, left=Left(artifact="outputs", attempt=7))


def test_an_output_made_of_others(world: World) -> None:
    step = trained(world)
    record = step.outputs.outputs["out"]
    made = OutputRecord(**{**record.model_dump(), "parts": {"a": record.model_dump()}})
    StepRun.objects.filter(pk=step.pk).update(outputs=StepOutputs(outputs={"out": made}))
    step.refresh_from_db()
    with pytest.raises(UserError, match="outputs of several runs"):
        register(world, step)


def test_readers_register_nothing(world: World) -> None:
    with pytest.raises(PermissionDenied):
        register(world, trained(world), access=reader(world))
    assert register(world, StepRun.objects.get(), access=contributor(world)).number == 1


def test_what_is_in_the_trash_is_not_registered(world: World) -> None:
    step = trained(world)
    step.run.refresh_from_db()
    services.trash_run(world.access, step.run)
    with pytest.raises(ConflictError, match="in the trash"):
        register(world, step)
    assert not RegisteredModel.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_get_two_numbers() -> None:
    world = World.make()
    step = trained(world)
    ready, errors = threading.Barrier(2), []

    def one() -> None:
        try:
            ready.wait()
            register(world, StepRun.objects.get(pk=step.pk))
        except Exception as error:  # noqa: BLE001 (whatever it is, the test says so)
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(ModelVersion.objects.values_list("number", flat=True)) == [1, 2]
    assert RegisteredModel.objects.get().latest_version == 2


def test_files_that_are_written_again_or_go_are_noticed(world: World) -> None:
    version = register(world, trained(world))
    backend = get_backend(world.datastore)
    backend.write(f"{version.path}/data.txt", io.BytesIO(b"other!"))
    condition, words = condition_of(version)
    assert condition == "changed"
    assert "written again" in words
    backend.delete(version.path)
    condition, words = condition_of(version)
    assert condition == "gone"
    assert version.path in words
