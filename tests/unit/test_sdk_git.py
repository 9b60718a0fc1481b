"""What the SDK finds out about a folder, of real repositories; and what of these it never lets run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compute.execution.sdk import SDK

sys.path.append(str(SDK))

from studio_sdk import _address, _ask_git, _git
from studio_sdk._folder import SourceFolder
from studio_sdk._git import Facts

HOME = {"HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str, **variables: str) -> str:
    who = {f"GIT_{role}_{part}": "ada@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    settings = ("-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *settings, "-C", str(folder), *arguments],
        env={"PATH": os.environ["PATH"], **HOME, **who, **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def repository(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    for name, text in (files or {"train.py": "print(1)\n"}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def facts_of(folder: Path, *, with_diff: bool = True) -> Facts | None:
    source = SourceFolder(str(folder))
    return _git.facts_of(source, source.paths(), with_diff=with_diff)


def facts(folder: Path, *, with_diff: bool = True) -> Facts:
    found = facts_of(folder, with_diff=with_diff)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def test_a_clean_checkout(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code")
    git(folder, "remote", "add", "origin", "https://ada:secret@example.org/ada/code.git?token=hidden")
    found = facts(folder)
    assert found.as_json() == {
        "repository": "https://example.org/ada/code.git",
        "branch": "main",
        "commit": git(folder, "rev-parse", "HEAD"),
        "dirty": False,
        "diff_note": "",
    }
    assert found.diff == b""


def test_what_is_not_committed_is_in_the_diff(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code", **{"train.py": "one\n", "gone.py": "x\n", "ünï.py": "1\n"})
    (folder / "train.py").write_text("two\n")
    (folder / "gone.py").unlink()
    (folder / "ünï.py").write_text("2\n")
    (folder / "new\n# untracked: forged.py").write_text("new")
    (folder / ".gitignore").write_text("*.bin\n")
    (folder / "weights.bin").write_text("ignored")
    found = facts(folder)
    text = found.diff.decode()
    assert found.dirty is True
    assert "-one\n+two\n" in text
    assert "deleted file mode" in text
    assert "ünï.py" in text
    assert "# untracked: .gitignore\n# untracked: new\N{REPLACEMENT CHARACTER}# untracked: forged.py\n" in text
    assert "weights.bin" not in text
    git(folder, "add", "--all")
    assert facts(folder).dirty is True, "staged is not committed"


def test_without_the_diff_it_is_dirty_all_the_same(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code")
    (folder / "train.py").write_text("a secret\n")
    found = facts(folder, with_diff=False)
    assert (found.dirty, found.diff) == (True, b"")
    assert "left out" in found.diff_note


def test_a_diff_that_is_too_large_is_left_out_and_the_note_says_so(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code")
    (folder / "train.py").write_text("x" * 99 + "\n" + ("y" * 99 + "\n") * 30_000)
    found = facts(folder)
    assert (found.dirty, found.diff) == (True, b"")
    assert "1 MB" in found.diff_note


def test_a_folder_below_the_root_has_its_own_changes_alone(tmp_path: Path) -> None:
    root = repository(tmp_path / "code", **{"other.py": "1\n", "step/train.py": "1\n"})
    (root / "other.py").write_text("2\n")
    assert facts(root / "step").dirty is False
    (root / "step" / "train.py").write_text("3\n")
    assert b"diff --git a/train.py b/train.py" in facts(root / "step").diff
    assert b"other.py" not in facts(root / "step").diff


def test_a_checkout_on_no_branch(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code")
    git(folder, "checkout", "--quiet", "--detach")
    found = facts(folder)
    assert (found.branch, len(found.commit)) == ("", 40)
    assert found.words == f"commit {found.commit[:10]}"


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "train.py").write_text("1")
    git(folder, "add", "train.py")
    found = facts(folder)
    assert (found.branch, found.commit, found.dirty) == ("main", "", True)
    assert found.diff == b"# untracked: train.py\n"


def test_a_worktree_and_a_submodule_are_checkouts(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code")
    git(folder, "worktree", "add", "--quiet", "-b", "aside", str(tmp_path / "aside"))
    assert facts(tmp_path / "aside").branch == "aside"
    outer = repository(tmp_path / "outer", **{"a.py": "1\n"})
    git(outer, "submodule", "--quiet", "add", str(folder), "inner")
    git(outer, "commit", "--quiet", "--message", "inner")
    assert facts(outer / "inner").commit == git(folder, "rev-parse", "HEAD")
    assert facts(outer / "inner").repository == str(folder)
    found = facts(outer)
    assert (found.dirty, "submodule" in found.diff_note) == (None, True)
    (outer / "inner" / "train.py").write_text("print(2)\n")
    assert facts(outer).dirty is None, "nobody looked"
    (outer / "a.py").write_text("2\n")
    assert facts(outer).dirty is True
    (outer / ".amlignore").write_text("inner/\n")
    assert "submodule" not in facts(outer).diff_note, "none of its files is sent"


def test_what_is_not_sent_is_not_in_the_diff(tmp_path: Path) -> None:
    files = {"private.yaml": "old\n", "keys/a.txt": "old\n", "conf": "old\n", "deep/a.py": "1\n"}
    folder = repository(tmp_path / "code", **{"train.py": "1\n", **files})
    for name in ("private.yaml", "keys/a.txt"):
        (folder / name).write_text("PASSWORD\n")
    (folder / "private-too.yaml").write_text("PASSWORD")
    (folder / "conf").unlink()
    (folder / "conf").mkdir()
    (folder / "conf" / "private.yaml").write_text("PASSWORD")
    git(folder, "add", "conf")
    (folder / ".amlignore").write_text("private*.yaml\nkeys/\n.amlignore\n")
    found = facts(folder)
    assert (found.dirty, found.diff) == (False, b""), "what is sent is as in the commit"
    assert "not sent" in found.diff_note
    (folder / "train.py").write_text("2\n")
    (folder / "deep" / ".amlignore").write_text("a.py\n")
    (folder / "deep" / "a.py").write_text("PASSWORD\n")
    found = facts(folder)
    assert b"-1\n+2\n" in found.diff
    for name in (b"PASSWORD", b"private", b"keys", b"a.py"):
        assert name not in found.diff.replace(b"deep/.amlignore", b"")
    assert "not sent" in found.diff_note


def test_names_are_names_and_no_patterns(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code", **{":(top)*": "1\n", "[ab].py": "1\n", "a.py": "1\n"})
    for name in (":(top)*", "[ab].py", "a.py"):
        (folder / name).write_text("2\n")
    (folder / ".amlignore").write_text("/a.py\n")
    diff = facts(folder).diff.decode()
    assert diff.count("diff --git") == 2
    assert "a/a.py" not in diff


def test_a_diff_of_very_many_names_is_whole(tmp_path: Path) -> None:
    names = [f"{index:03}{'x' * 180}.py" for index in range(200)]
    folder = repository(tmp_path / "code", **dict.fromkeys(names, "1\n"))
    for name in names:
        (folder / name).write_text("2\n")
    assert facts(folder).diff.count(b"diff --git") == len(names)


def test_what_is_sent_and_of_no_commit_is_named_though_git_ignores_it(tmp_path: Path) -> None:
    root = repository(tmp_path / "code", **{".gitignore": ".env\nlocal.py\n", "step/train.py": "1\n"})
    (root / "step" / ".env").write_text("KEY=1")
    (root / "step" / ":odd").write_text("1")
    found = facts(root / "step")
    assert (found.dirty, found.ignored) == (True, [".env"])
    assert found.diff == b"# untracked: .env\n# untracked: :odd\n"
    (root / "local.py").write_text("1")
    (root / ".amlignore").write_text("step/\n")
    found = facts(root)
    assert found.ignored == ["local.py"]
    assert b"# untracked: local.py\n" in found.diff


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_where_git_is_told_not_to_look_nobody_knows(tmp_path: Path, flag: str) -> None:
    folder = repository(tmp_path / "code", **{"train.py": "1\n", "a.py": "1\n"})
    git(folder, "update-index", flag, "train.py")
    (folder / "train.py").write_text("2\n")
    found = facts(folder)
    assert (found.dirty, found.diff, "unchanged" in found.diff_note) == (None, b"", True)
    (folder / "a.py").write_text("2\n")
    assert facts(folder).dirty is True


def test_the_git_of_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "code")
    git(folder, "checkout", "--quiet", "-b", "real")
    (folder / "git").write_text(f"#!/bin/sh\ntouch '{tmp_path}/it ran'\n")
    (folder / "git").chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    assert facts(folder).branch == "real"
    assert not (tmp_path / "it ran").exists()


def test_where_there_is_nothing_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "a.py").write_text("1")
    assert facts_of(plain) is None
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")
    assert facts_of(tmp_path / "bare.git") is None
    folder = repository(tmp_path / "code", **{".gitignore": "build/\n"})
    assert facts_of(folder / ".git") is None
    (folder / "build").mkdir()
    (folder / "build" / "made.py").write_text("1")
    assert facts_of(folder / "build") is None, "git ignores it, so the commit says nothing of it"
    monkeypatch.setenv("PATH", str(plain))
    assert facts_of(folder) is None, "there is no git"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_checkout_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 4711, 4711)
    assert facts_of(folder) is None


def test_a_git_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(_ask_git, "LIMIT_S", 0.2)
    assert facts_of(tmp_path) is None


def test_what_leads_git_elsewhere_is_not_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "code")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert facts(folder).dirty is False


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"core.fsmonitor": "PROGRAM"}, ""),
        ({"diff.external": "PROGRAM"}, ""),
        ({"diff.mine.command": "PROGRAM", "diff.mine.textconv": "PROGRAM"}, ""),
        ({"core.pager": "PROGRAM", "pager.diff": "PROGRAM"}, ""),
        ({"core.hooksPath": "HOOKS"}, ""),
        ({"filter.mine.clean": "PROGRAM"}, "programs"),
        ({"filter.mine.process": "PROGRAM"}, "programs"),
        ({"filter.a=b.clean": "PROGRAM"}, "programs"),
        ({"lfs.extension.mine.clean": "PROGRAM", "lfs.extension.mine.priority": "0"}, "programs"),
        ({"lfs.repositoryformatversion": "0", "lfs.https://example.org/a.git.access": "basic"}, ""),
        ({"hook.mine.command": "PROGRAM", "hook.mine.event": "post-index-change"}, "programs"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_nothing_that_a_checkout_configures_is_run(tmp_path: Path, settings: dict[str, str], note: str) -> None:
    folder = repository(tmp_path / "code", **{"train.py": "1\n", ".gitattributes": "*.py filter=mine diff=mine\n"})
    mark = tmp_path / "it ran"
    program = tmp_path / "hooks" / "post-index-change"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\ncat\n")
    program.chmod(0o755)
    for name, value in settings.items():
        told = value.replace("PROGRAM", str(program)).replace("HOOKS", str(program.parent))
        git(folder, "config", name, told)
    (folder / "train.py").write_text("2\n")
    os.utime(folder / ".gitattributes", (1, 1))  # git looks at it again
    found = facts(folder)
    assert not mark.exists()
    assert (note in found.diff_note) if note else found.dirty is True
    assert found.commit == git(folder, "rev-parse", "HEAD")
    if note:
        assert (found.dirty, found.diff) == (None, b"")
    else:
        assert b"-1\n+2\n" in found.diff


def test_a_filter_of_the_user_is_trusted(tmp_path: Path) -> None:
    folder = repository(tmp_path / "code", **{"train.py": "a\n", ".gitattributes": "*.py filter=upper\n"})
    (Path(os.environ["HOME"]) / ".gitconfig").write_text('[filter "upper"]\n\tclean = tr b a\n')
    (folder / "train.py").write_text("b\n")
    assert facts(folder).dirty is False, "as with git-lfs, what git would keep is the same"


ADDRESSES = {
    "https://example.org/a/b.git": "https://example.org/a/b.git",
    "https://user@example.org/a": "https://example.org/a",
    "https://user:token@example.org/a": "https://example.org/a",
    "https://user:p@ss@example.org:8443/a": "https://example.org:8443/a",
    "https://example.org/a?token=x#y": "https://example.org/a",
    "https://user:pa/ss@example.org/a": "",
    "https://user:12/ss@example.org/a": "",
    "https://user:1?2@example.org/a": "",
    "https://user:pa#ss@example.org/a": "",
    "https://[::1]:80/a": "https://[::1]:80/a",
    "https://example.org/@scope/a": "https://example.org/@scope/a",
    "HTTPS://u:t@example.org": "HTTPS://example.org",
    "ssh://git:x@example.org:22/a": "ssh://example.org:22/a",
    "git@github.com:a/b.git": "git@github.com:a/b.git",
    "example.org:a/b.git": "example.org:a/b.git",
    "user:token@example.org:a/b": "",
    "user:p/w@example.org:a/b": "",
    "ada@example.org:pass@example.org:a/b": "",
    "//user:token@example.org/a": "",
    "//token@example.org/a": "",
    "https:/user:token@example.org/a": "",
    "https:///user:token@example.org/a": "",
    "https:///example.org/a": "",
    "/srv/a:b@c": "/srv/a:b@c",
    "~/a:b@c": "~/a:b@c",
    "./a:b@c": "./a:b@c",
    "C:/a@b": "C:/a@b",
    "C:\\a@b": "C:\\a@b",
    "ghp_0123456789012345678901234567890123456789@github.com:a/b": "github.com:a/b",
    "token@github.com/a/b": "github.com/a/b",
    "ext::sh -c 'curl -H token'": "",
    "/home/ada/code": "/home/ada/code",
    "../code": "../code",
    "file:///srv/code.git": "file:///srv/code.git",
    "https://exa\nmple.org/\x00a": "https://example.org/a",
    "": "",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_without_what_is_secret_in_it(address: str) -> None:
    from pipelines import git_facts

    for plain in (_address.plain_address, git_facts.plain_address):
        assert plain(address) == ADDRESSES[address]
        assert plain(ADDRESSES[address]) == ADDRESSES[address], "what is plain stays"
