"""Sources: whatever people upload is taken, or refused with a sentence that names the file and loses nothing."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datastores import snapshots
from datastores.content import ContentStore, TooLargeError
from datastores.models import Snapshot
from studio.lib.problems import UserError
from tests.service.pipelines.world import World

SOURCES = "/api/workspaces/ours/sources/"


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


def files_of(snapshot: Snapshot) -> dict[str, bytes]:
    store = ContentStore(snapshot.workspace_id)
    return {file.path: store.path(file.sha256).read_bytes() for file in snapshot.manifest.files}


def add(world: World, base: str | None = None, **files: bytes) -> Snapshot:
    return snapshots.add_files(world.workspace, base, [(path, io.BytesIO(data)) for path, data in files.items()])


def zipped(fill: Callable[[zipfile.ZipFile], None]) -> io.BytesIO:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    data.seek(0)
    return data


def test_equal_folders_are_one_snapshot_and_equal_files_lie_once(world: World) -> None:
    first = add(world, **{"a.py": b"1", "copy.py": b"1"})
    again = add(world, **{"copy.py": b"1", "a.py": b"1"})
    assert first.pk == again.pk
    root = ContentStore(world.workspace.pk).root
    assert len([path for path in root.rglob("*") if path.is_file()]) == 2, "one content, and the world's main.py"


def test_a_stream_that_is_too_long_leaves_nothing(world: World) -> None:
    store = ContentStore(world.workspace.pk)
    before = sorted(store.root.rglob("*"))
    with pytest.raises(TooLargeError):
        store.add(io.BytesIO(b"x" * 100), max_bytes=99)
    assert [path for path in sorted(store.root.rglob("*")) if path.is_file()] == [p for p in before if p.is_file()]


@pytest.mark.parametrize("name", ["../x", "..", "x" * 64, "A" * 64, ""])
def test_only_a_digest_names_a_content(world: World, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        ContentStore(world.workspace.pk).path(name)


def test_a_folder_is_laid_out_and_may_be_changed_freely(world: World, tmp_path: Path) -> None:
    snapshot = add(world, **{"a b/ünï 🐍.py": b"print(1)", "run.sh": b"#!/bin/sh"})
    snapshots.materialise(world.workspace.pk, snapshot.digest, tmp_path / "one")
    laid_out = tmp_path / "one" / "a b" / "ünï 🐍.py"
    laid_out.write_bytes(b"changed")
    snapshots.materialise(world.workspace.pk, snapshot.digest, tmp_path / "two")
    assert (tmp_path / "two" / "a b" / "ünï 🐍.py").read_bytes() == b"print(1)"


def test_laying_out_never_writes_through_a_link(world: World, tmp_path: Path) -> None:
    snapshot = add(world, **{"main.py": b"1"})
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "main.py").symlink_to(victim)
    with pytest.raises(FileExistsError):
        snapshots.materialise(world.workspace.pk, snapshot.digest, tmp_path / "out")
    assert victim.read_text() == "precious"


def test_editing_makes_another_folder(world: World) -> None:
    base = add(world, **{"a.py": b"1", "lib/b.py": b"2", "lib/c.py": b"3"})
    put, move = {"a.py": "new ✓", "d.py": ""}, [("lib", "pkg/lib")]
    after = snapshots.edit(world.workspace, base.digest, put=put, delete=["pkg/lib/c.py"], move=move)
    assert files_of(after) == {"a.py": "new ✓".encode(), "d.py": b"", "pkg/lib/b.py": b"2"}
    assert files_of(base) == {"a.py": b"1", "lib/b.py": b"2", "lib/c.py": b"3"}


@pytest.mark.parametrize(
    "changes",
    [
        {"put": {"../a": "x"}},
        {"put": {"a.py/b": "x"}},
        {"put": {"a\nb": "x"}},
        {"put": {"x": "\udc80"}},
        {"delete": ["nothing"]},
        {"move": [("nothing", "x")]},
        {"move": [("a.py", "lib/b.py")]},
        {"move": [("a.py", "/abs")]},
        {"move": [("lib", "x" * 300)]},
    ],
)
def test_edits_that_cannot_be(world: World, changes: dict[str, Any]) -> None:
    base = add(world, **{"a.py": b"1", "lib/b.py": b"2"})
    with pytest.raises(UserError):
        snapshots.edit(world.workspace, base.digest, **changes)


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("link.py")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def _device(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("pipe")
    info.external_attr = (stat.S_IFIFO | 0o666) << 16
    archive.writestr(info, "")


def _twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("a.py", "1")
    with pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.py", "2")


HARMFUL: list[tuple[Callable[[zipfile.ZipFile], None], str]] = [
    (lambda archive: archive.writestr("../evil.py", "x"), "leads out"),
    (lambda archive: archive.writestr("a/../../evil.py", "x"), "leads out"),
    (lambda archive: archive.writestr("/etc/evil", "x"), "absolute"),
    (lambda archive: archive.writestr("..\\evil.py", "x"), "backslash"),
    (lambda archive: archive.writestr("a\nb.py", "x"), "line break"),
    (lambda archive: archive.writestr("x" * 300, "x"), "too long"),
    (_link, "symbolic link"),
    (_device, "not a plain file"),
    (_twice, "twice"),
    (lambda archive: archive.writestr("bomb", b"\0" * 30_000_000), "zip bomb"),
    (lambda archive: [archive.writestr(f"{n}.py", "") for n in range(3000)], "3,000 files"),  # type: ignore[arg-type, return-value]
    (lambda archive: None, "no files"),
    (lambda archive: archive.writestr("a", "x") or archive.writestr("a/b", "x"), "can't be below it"),  # type: ignore[func-returns-value]
]


@pytest.mark.parametrize(("fill", "says"), HARMFUL, ids=[says for _fill, says in HARMFUL])
def test_a_zip_that_would_do_harm_is_refused_by_name(world: World, fill: Any, says: str) -> None:
    before = Snapshot.objects.count()
    with pytest.raises(UserError, match=says):
        snapshots.add_zip(world.workspace, None, zipped(fill))
    assert Snapshot.objects.count() == before


def test_a_zip_that_lies_about_its_sizes(world: World, settings: LazySettings) -> None:
    """The declared size is small and the ratio fine; what really comes is counted."""
    data = bytearray(zipped(lambda archive: archive.writestr("liar.txt", bytes(range(256)) * 4000)).getvalue())
    declared = (4000 * 256).to_bytes(4, "little")
    assert data.count(declared) == 2
    lying = bytes(data).replace(declared, (1000).to_bytes(4, "little"))
    with pytest.raises(UserError, match=r"liar\.txt"):
        snapshots.add_zip(world.workspace, None, io.BytesIO(lying))


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 100, b"PK\x03\x04" + b"\xff" * 500])
def test_what_is_no_zip(world: World, data: bytes) -> None:
    with pytest.raises(UserError, match="not a zip file"):
        snapshots.add_zip(world.workspace, None, io.BytesIO(data))


def test_a_damaged_zip(world: World) -> None:
    data = bytearray(zipped(lambda archive: archive.writestr("a.py", "print('hello')" * 1000)).getvalue())
    data[60] ^= 0xFF
    with pytest.raises(UserError, match="damaged"):
        snapshots.add_zip(world.workspace, None, io.BytesIO(bytes(data)))


def test_an_encrypted_zip(world: World) -> None:
    data = bytearray(zipped(lambda archive: archive.writestr("a.py", "x")).getvalue())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UserError, match="encrypted"):
        snapshots.add_zip(world.workspace, None, io.BytesIO(bytes(data)))


def test_a_good_zip_keeps_what_may_be_run(world: World, tmp_path: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr("folder/", "")
        archive.writestr("folder/a b ✓.py", "1")
        info = zipfile.ZipInfo("run.sh")
        info.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(info, "#!/bin/sh")

    snapshot = snapshots.add_zip(world.workspace, None, zipped(fill))
    assert sorted(files_of(snapshot)) == ["folder/a b ✓.py", "run.sh"]
    snapshots.materialise(world.workspace.pk, snapshot.digest, tmp_path / "out")
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o111
    assert not (tmp_path / "out" / "folder" / "a b ✓.py").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("ignore_files", "kept"),
    [
        ({".gitignore": "*.csv\n!keep.csv\n"}, {"main.py", "keep.csv", "sub/x.txt", "sub/deep/y.txt"}),
        ({".gitignore": "sub/\n!sub/x.txt\n"}, {"main.py", "data.csv", "keep.csv"}),
        ({".gitignore": "/data.csv\n", "sub/.gitignore": "*.txt\n!y.txt\n"}, {"main.py", "keep.csv", "sub/deep/y.txt"}),
        ({".gitignore": "*.csv\n", ".amlignore": "sub\n"}, {"main.py", "data.csv", "keep.csv", ".gitignore"}),
        ({".gitignore": "# nothing\n\n"}, {"main.py", "data.csv", "keep.csv", "sub/x.txt", "sub/deep/y.txt"}),
        ({".gitignore": "**/deep\n"}, {"main.py", "data.csv", "keep.csv", "sub/x.txt"}),
        ({"sub/.git/config": ""}, {"main.py", "data.csv", "keep.csv", "sub/x.txt", "sub/deep/y.txt"}),
    ],
)  # fmt: skip
def test_ignore_files_are_honoured_as_git_and_azure_ml_do(
    world: World, ignore_files: dict[str, str], kept: set[str]
) -> None:
    files = dict.fromkeys(["main.py", "data.csv", "keep.csv", "sub/x.txt", "sub/deep/y.txt"], b"1")
    files |= {path: text.encode() for path, text in ignore_files.items()}
    running = {file.path for file in snapshots.for_run(add(world, **files)).manifest.files}
    assert {path for path in running if path not in ignore_files or path in kept} == kept


def test_a_folder_without_ignore_files_runs_as_it_is(world: World) -> None:
    snapshot = add(world, **{"a.py": b"1"})
    assert snapshots.for_run(snapshot) is snapshot


def test_limits_say_what_they_are_and_what_to_do(world: World, settings: LazySettings) -> None:
    settings.SNAPSHOT_MAX_FILES, settings.SNAPSHOT_MAX_BYTES = 3, 1024 * 1024
    base = add(world, a=b"1", b=b"2", c=b"3")
    with pytest.raises(UserError, match=r"4 files; it may have 3\. .*datastore"):
        add(world, base.digest, d=b"4")
    with pytest.raises(UserError, match=r"“c” the source folder would have more than 1 MB\. .*datastore"):
        add(world, base.digest, c=b"x" * (1024 * 1024))
    add(world, base.digest, c=b"x" * (1024 * 1024 - 2))


def test_files_through_the_api(world: World, client: Client) -> None:
    answer = client.post(
        SOURCES,
        {
            "files": [SimpleUploadedFile("train.py", b"import os\n"), SimpleUploadedFile("b.bin", b"\0\1")],
            "paths": ["src/train.py", "data/b ✓.bin"],
        },
    )
    assert answer.status_code == 201
    digest = answer.json()["digest"]
    assert [file["path"] for file in answer.json()["files"]] == ["data/b ✓.bin", "src/train.py"]
    assert client.get(f"{SOURCES}{digest}/").json() == answer.json()
    text = client.get(f"{SOURCES}{digest}/file/", {"path": "src/train.py"}).json()
    assert text == {"path": "src/train.py", "text": "import os\n", "size_bytes": 10, "binary": False}
    binary = client.get(f"{SOURCES}{digest}/file/", {"path": "data/b ✓.bin"}).json()
    assert (binary["text"], binary["binary"]) == (None, True)
    assert client.get(f"{SOURCES}{digest}/file/", {"path": "nothing"}).status_code == 404
    edited = client.post(
        f"{SOURCES}edit/",
        json.dumps({"base": digest, "put": [{"path": "new.py", "text": " \n"}], "delete": ["data"]}),
        content_type="application/json",
    )
    assert [file["path"] for file in edited.json()["files"]] == ["new.py", "src/train.py"]
    kept = client.get(f"{SOURCES}{edited.json()['digest']}/file/", {"path": "new.py"}).json()
    assert kept["text"] == " \n", "blanks are not cut off"


def test_unfit_names_are_told_file_by_file(world: World, client: Client) -> None:
    files = [SimpleUploadedFile("a.py", b"1") for _ in range(3)]
    answer = client.post(SOURCES, {"files": files, "paths": ["ok.py", "../a.py", "a\nb.py"]})
    assert answer.status_code == 400
    assert [problem["loc"] for problem in answer.json()["problems"]] == [["files", 1], ["files", 2]]
    assert client.post(SOURCES, {"files": files, "paths": ["one"]}).status_code == 400
    assert client.post(SOURCES, {}).status_code == 400
    assert client.post(SOURCES, "{}", content_type="application/json").status_code == 400
    unknown = client.post(SOURCES, {"files": files[:1], "paths": ["a"], "base": "f" * 64})
    assert unknown.json()["problems"][0]["loc"] == ["base"]


def test_ten_thousand_files(world: World, client: Client) -> None:
    body = io.BytesIO()
    for number in range(10_000):
        body.write(f'--B\r\nContent-Disposition: form-data; name="files"; filename="{number}.py"\r\n\r\nx\r\n'.encode())
    body.write(b"--B--\r\n")
    answer = client.generic("POST", SOURCES, body.getvalue(), content_type="multipart/form-data; boundary=B")
    assert answer.status_code == 400
    assert "2,000" in answer.json()["detail"]


def test_two_gigabytes_are_refused_by_what_the_request_says_of_itself(world: World, client: Client) -> None:
    answer = client.generic(
        "POST", SOURCES, b"", content_type="multipart/form-data; boundary=B", CONTENT_LENGTH=str(2 * 1024**3)
    )
    assert answer.status_code == 413
    assert "2,048 MB" in answer.json()["detail"]
    assert "300 MB" in answer.json()["detail"]


def test_a_zip_through_the_api(world: World, client: Client) -> None:
    good = zipped(lambda archive: archive.writestr("main.py", "print(1)")).getvalue()
    answer = client.post(SOURCES, {"zip": SimpleUploadedFile("code.zip", good)})
    assert (answer.status_code, [file["path"] for file in answer.json()["files"]]) == (201, ["main.py"])
    bad = zipped(lambda archive: archive.writestr("../main.py", "print(1)")).getvalue()
    refused = client.post(SOURCES, {"zip": SimpleUploadedFile("code.zip", bad)})
    assert refused.status_code == 400
    assert "../main.py" in refused.json()["detail"]
