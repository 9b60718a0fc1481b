"""Files into a datastore and out of it: one that is refused never takes the others with it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.services import Upload, delete_path, make_folder, upload_files
from studio.lib.problems import UserError
from studio.workspaces.models import AuditEvent, User

pytestmark = pytest.mark.django_db


def test_each_file_is_kept_or_refused_with_a_sentence(datastore: Datastore, owner: User, tmp_path: Path) -> None:
    spooled = tmp_path / "spooled"
    spooled.write_bytes(b"from disk")

    def files() -> Iterator[Upload]:
        yield Upload("0/a.png", BytesIO(b"a"))
        yield Upload("../secret-key", BytesIO(b"evil"))
        yield Upload("x" * 300, BytesIO(b"long"))
        yield Upload("", BytesIO(b"nameless"))
        yield Upload("two words\n😀.txt", BytesIO(b"odd"))
        yield Upload("b.bin", spooled)

    result = upload_files(datastore, folder="train/", files=files(), actor=owner)
    assert [entry.path for entry in result.kept] == ["train/0/a.png", "train/two words\n😀.txt", "train/b.bin"]
    assert [(refused.path[:13], refused.message[:30]) for refused in result.refused] == [
        ("../secret-key", "A path can't hold “..”: it mus"),
        ("x" * 13, f"“train/{'x' * 23}"),
        ("", "Give the file a name."),
    ]
    assert "300 bytes" in result.refused[1].message
    assert not spooled.exists()
    assert AuditEvent.objects.get(verb="data.upload").target == "3 files to train in workspaceblobstore"


@pytest.mark.parametrize("folder", ["..", "/etc", "a\0"])
def test_a_folder_outside_takes_nothing(datastore: Datastore, owner: User, folder: str) -> None:
    with pytest.raises(UserError) as caught:
        upload_files(datastore, folder=folder, files=[Upload("a", BytesIO(b""))], actor=owner)
    assert caught.value.problems[0].loc == ("folder",)


def test_folders_are_made_and_paths_deleted(datastore: Datastore, owner: User) -> None:
    make_folder(datastore, folder="", name=" new ", actor=owner)
    assert [entry.name for entry in get_backend(datastore).list().entries] == ["new"]
    for name in ("", "a/b", "..", "x" * 300):
        with pytest.raises(UserError) as caught:
            make_folder(datastore, folder="new", name=name, actor=owner)
        assert caught.value.problems[0].loc == ("name",)
    delete_path(datastore, path="new", actor=owner)
    assert get_backend(datastore).list().entries == []
    assert AuditEvent.objects.filter(verb__in=["data.make_folder", "data.delete"]).count() == 2
