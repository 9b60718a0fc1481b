"""Which files of a folder are sent: git is asked what it would ignore, and the studio what it would leave out."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.execution.sdk import SDK

sys.path.append(str(SDK))

from studio_sdk._folder import SourceFolder
from studio_sdk.exceptions import UserErrorException

FILES = [
    "a",
    "a.py",
    "b/a",
    "b/a.py",
    "b/keep/a.csv",
    "data/a.csv",
    "data/keep/a.csv",
    "data/keep/deep/x",
    "keep",
    "[x]/a",
    "a b",
]
PATTERNS = [
    *(
        "a",
        "*.py",
        "*.csv",
        "!keep",
        "keep/",
        "!keep/",
        "data/*",
        "!data/keep/",
        "/a",
        "b/a",
        "**/a",
        "b/**",
        "*",
        "!*/",
    ),
    *("!a.py", "?", "[ab]", "[!a]", "a*", "**", "/*", "a\\ b", "\\[x\\]", "[x]", "#c", "", "data/", "!a.csv", "b/**/a"),
    *(
        "*/a",
        "data/**/x",
        "a ",
        "!**/keep/",
        "/data/*.csv",
        "!data/keep",
        "[",
        "a\\",
        "!",
        "/",
        "[]a]",
        "[a-b]",
        "[^a]",
    ),
]


def laid_out(root: Path, *paths: str, **texts: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    for path, text in texts.items():
        (root / path).write_text(text)
    return root


@settings(max_examples=40)
@given(st.lists(st.sampled_from(PATTERNS), max_size=5), st.lists(st.sampled_from(PATTERNS), max_size=2))
def test_what_is_left_out_is_what_git_ignores(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], below: list[str]
) -> None:
    root = laid_out(tmp_path_factory.mktemp("folder"), *FILES)
    (root / ".gitignore").write_text("\n".join(patterns))
    (root / "data" / ".gitignore").write_text("\n".join(below))
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    asked = ["git", "-C", str(root), "ls-files", "-z", "--others", "--exclude-standard"]
    named = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\0")
    expected = sorted(name for name in named if name)
    if not expected:
        with pytest.raises(UserErrorException, match="leaves all of them out"):
            SourceFolder(str(root)).paths()
    else:
        assert SourceFolder(str(root)).paths() == expected


def test_an_amlignore_goes_before_a_gitignore(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "a.py", "b.csv", "c.bin", **{".gitignore": "*.py\n", ".amlignore": "*.bin\n"})
    assert SourceFolder(str(root)).paths() == [".amlignore", ".gitignore", "a.py", "b.csv"]


def test_gits_own_folder_and_what_leads_out_stay_behind(tmp_path: Path) -> None:
    secret = laid_out(tmp_path, "secret", "others/x") / "secret"
    root = laid_out(tmp_path / "folder", "a.py", ".git/config", "sub/.git")
    (root / "out").symlink_to(secret)
    (root / "others").symlink_to(tmp_path / "others")
    (root / "alias.py").symlink_to("a.py")
    folder = SourceFolder(str(root))
    assert folder.paths() == ["a.py", "alias.py"]
    assert sorted(folder.left_out) == ["others", "out"]


def test_a_link_to_what_stays_behind_stays_behind(tmp_path: Path) -> None:
    root = laid_out(
        tmp_path, "a.py", ".git/config", "sub/.git/config", "private.yaml", "keys/a.txt", "sub/b.py", "sub/c"
    )
    (root / ".gitignore").write_text("/private.yaml\nkeys/\n")
    (root / "sub" / ".gitignore").write_text("c\n")
    links = {
        "1": ".git/config",
        "2": "private.yaml",
        "3": "keys/a.txt",
        "4": "sub/c",
        "5": "sub/.git/config",
        "6": "1",
        "7": "nowhere",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root / "8").symlink_to("sub/b.py")
    folder = SourceFolder(str(root))
    assert folder.paths() == [".gitignore", "8", "a.py", "sub/.gitignore", "sub/b.py"]
    assert folder.left_out == list(links)


def test_what_is_left_out_is_known_of_what_is_gone_too(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "a.py", "sub/b.py", **{".gitignore": "*.bin\nkeys/\n!sub/keep.bin\n"})
    folder = SourceFolder(str(root))
    out = ["x.bin", "sub/x.bin", "keys/a", "keys/deep/a", ".git/config", "sub/.git"]
    assert [path for path in [*out, "a.py", "sub/keep.bin", "keys", "gone/b.py"] if folder.leaves_out(path)] == out


def test_the_zip_keeps_what_can_be_executed_and_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "a.py", "run.sh")
    (root / "run.sh").chmod(0o755)
    folder, zips = SourceFolder(str(root)), [io.BytesIO(), io.BytesIO()]
    for file in zips:
        folder.write_zip(folder.paths(), file)
    assert zips[0].getvalue() == zips[1].getvalue()
    with zipfile.ZipFile(zips[0]) as archive:
        assert {each.filename: each.external_attr >> 16 & 0o777 for each in archive.infolist()} == {
            "a.py": 0o644,
            "run.sh": 0o755,
        }


def test_a_name_that_nobody_can_send(tmp_path: Path) -> None:
    (tmp_path / "b\udcff.py").write_text("1")
    folder = SourceFolder(str(tmp_path))
    with pytest.raises(UserErrorException, match="no UTF-8"):
        folder.write_zip(folder.paths(), io.BytesIO())
