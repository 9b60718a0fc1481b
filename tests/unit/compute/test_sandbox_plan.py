"""What a sandbox shows, in which order, and what it leaves out because it is seen anyway."""

from pathlib import Path

import pytest

from compute.execution.sandbox.interpreter import interpreter_places
from compute.execution.sandbox.plan import Kind, Mount, Sight, trail


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("opt/studio/home/node/attempt/inputs", "opt/tools", "data/out", "data/raw"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def _shown(sight: Sight, top: Path) -> list[tuple[str, str]]:
    return [(mount.place.removeprefix(f"{top}/"), mount.kind.name) for mount in sight.mounts()]


def test_a_place_comes_after_those_that_it_lies_in(top: Path) -> None:
    sight = Sight()
    attempt = top / "opt/studio/home/node/attempt"
    sight.show(attempt / "inputs")
    sight.show(attempt, kind=Kind.WRITABLE)
    sight.hide(top / "opt/studio", top / "opt/studio/home")
    sight.show(top / "opt")
    assert _shown(sight, top) == [
        ("opt", "READ_ONLY"),
        ("opt/studio", "HIDDEN"),
        ("opt/studio/home/node/attempt", "WRITABLE"),
        ("opt/studio/home/node/attempt/inputs", "READ_ONLY"),
    ]


def test_what_is_seen_anyway_is_left_out(top: Path) -> None:
    sight = Sight()
    sight.show(top / "data", top / "data/raw", top / "data/out", top / "nowhere")
    sight.show(top / "data/out", kind=Kind.WRITABLE)
    sight.hide(top / "opt/studio")
    assert _shown(sight, top) == [("data", "READ_ONLY"), ("data/out", "WRITABLE")]


def test_links_on_the_way_are_there_too(top: Path) -> None:
    (top / "first").symlink_to("second")
    (top / "second").symlink_to(top / "data")
    (top / "data/latest").symlink_to("raw")
    sight = Sight()
    sight.show(top / "first/latest")
    assert sight.mounts() == (
        Mount(f"{top}/data/latest", Kind.LINK, "raw"),
        Mount(f"{top}/data/raw", Kind.READ_ONLY, f"{top}/data/raw"),
        Mount(f"{top}/first", Kind.LINK, "second"),
        Mount(f"{top}/second", Kind.LINK, f"{top}/data"),
    )
    sight.show(top / "data")
    assert [name for name, _ in _shown(sight, top)] == ["data", "first", "second"]


def test_a_way_that_never_ends(top: Path) -> None:
    (top / "one").symlink_to("two")
    (top / "two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links"):
        trail(str(top / "one"))


def test_below_what_stands_for_something_else_nothing_is_seen_by_itself(top: Path) -> None:
    sight = Sight()
    sight.show_as(f"{top}/opt", top / "data", kind=Kind.WRITABLE)
    sight.show(top / "opt/tools")
    sight.hide(top / "opt/studio")
    assert _shown(sight, top) == [("opt", "WRITABLE"), ("opt/tools", "READ_ONLY")]


def test_an_interpreter_is_seen_with_all_that_it_starts_from(tmp_path: Path) -> None:
    base, managed, venv = tmp_path / "versions/3.12.1", tmp_path / "versions/3.12", tmp_path / "venv"
    for folder in (base / "bin", base / "lib/python3.12", venv / "bin"):
        folder.mkdir(parents=True)
    (base / "bin/python3.12").touch()
    (base / "lib/python3.12/os.py").touch()
    managed.symlink_to(base)
    (venv / "bin/python").symlink_to("python3")
    (venv / "bin/python3").symlink_to(managed / "bin/python3.12")
    (venv / "pyvenv.cfg").write_text(f"home = {managed}/bin\n")
    sight = Sight()
    sight.show(*interpreter_places(venv / "bin/python"))
    assert _shown(sight, tmp_path) == [
        ("venv", "READ_ONLY"),
        ("versions/3.12", "LINK"),
        ("versions/3.12.1", "READ_ONLY"),
    ]


def test_a_home_folder_with_an_interpreter_in_it_is_not_shown(tmp_path: Path) -> None:
    for name in ("bin", "lib/python3.12", "mail"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("bin/python3", "lib/python3.12/os.py", "mail/letter"):
        (tmp_path / name).touch()
    sight = Sight()
    sight.show(*interpreter_places(tmp_path / "bin/python3"))
    assert _shown(sight, tmp_path) == [("bin", "READ_ONLY"), ("lib", "READ_ONLY")]
