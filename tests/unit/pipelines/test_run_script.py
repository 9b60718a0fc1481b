"""`run.sh` of an archive: what the shell makes of it, whatever stands in a command."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from compute.execution.outputs import Output, record_outputs
from compute.spec import EnvironmentLock, EnvironmentSpec
from pipelines.reproduction.program import fingerprint
from pipelines.reproduction.run_script import Place, Script

STRANGE = """it's "5" $HOME `id` \\ ; | & * ~ é
second line"""
SCRIPT = Script(
    title="“a” of run 1\n rm -rf x",
    command=["python", "${{inputs.a}}", "to=${{outputs.out}}/x y", STRANGE, "", "${{inputs.gone}}", "$[[]]"],
    variables={"NOTE": STRANGE, "WHERE": "${{outputs.model}}"},
    hints={"OMP_NUM_THREADS": "2"},
    places={
        ("inputs", "a"): Place("inputs/a/it's here.csv"),
        ("outputs", "out"): Place("outputs/out"),
        ("outputs", "model"): Place("outputs/model/m.bin"),
    },
    outputs=["out", "model"],
    environment=EnvironmentSpec(interpreter="python3", variables={"LEVEL": "1", "NOTE": "is not asked"}),
    lock=None,
    has_code=False,
    reads=False,
)
# In place of a Python: it says what it was told.
TELL = """#!/bin/sh
case "$1" in *studio.py) exit 0;; -I) exit 1;; esac
printf '%s\\0' "$@" "$NOTE" "$WHERE" "$LEVEL" "$OMP_NUM_THREADS" "$PYTHONPATH" "${LEFT-unset}" "$PWD" > ../told
"""


def test_words_arrive_as_they_were(tmp_path: Path) -> None:
    python = tmp_path / "tell"
    python.write_text(TELL)
    python.chmod(0o755)
    (tmp_path / "run.sh").write_text(SCRIPT.text())
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": str(python), "LEFT": "of this machine"}
    ended = subprocess.run(["sh", "run.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    told = (tmp_path / "told").read_text().split("\0") if (tmp_path / "told").exists() else ended.stderr
    assert told == [
        f"{tmp_path}/inputs/a/it's here.csv",
        f"to={tmp_path}/outputs/out/x y",
        STRANGE,
        "",
        "${{inputs.gone}}",
        "$[[]]",
        STRANGE,
        f"{tmp_path}/outputs/model/m.bin",
        "1",
        "2",
        f"{tmp_path}/sdk",
        "unset",
        f"{tmp_path}/work",
        "",
    ]
    assert (tmp_path / "outputs" / "model").is_dir()


@pytest.mark.parametrize(
    ("own", "is_installed", "path"),
    [
        ({}, False, "{here}/sdk"),
        ({"PYTHONPATH": "lib a:b"}, False, "lib a:b:{here}/sdk"),
        ({"PYTHONPATH": "lib a:b"}, True, "lib a:b"),
        ({"PYTHONPATH": ""}, True, ""),
    ],
)
def test_the_sdk_stands_behind_what_a_step_has_itself(
    own: dict[str, str], is_installed: bool, path: str, tmp_path: Path
) -> None:
    python = tmp_path / "tell"
    python.write_text(f'#!/bin/sh\n[ "$1" = -I ] && exit {0 if is_installed else 1}\nprintf \'%s\' "$PYTHONPATH"\n')
    python.chmod(0o755)
    (tmp_path / "run.sh").write_text(replace(SCRIPT, command=["python", "x.py"], variables=own).text())
    command, environment = ["sh", "run.sh"], {"PATH": "/usr/bin:/bin", "PYTHON": str(python)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == path.format(here=tmp_path)


def test_a_failed_step_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(replace(SCRIPT, command=["sh", "-c", "exit 3"]).text())
    command, environment = ["sh", "run.sh"], {"PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (3, "The step ended with exit code 3.\n")


def test_without_its_python_it_says_what_to_do(tmp_path: Path) -> None:
    spec = EnvironmentSpec(interpreter="/no/it's $(touch made) such/python")
    (tmp_path / "run.sh").write_text(replace(SCRIPT, environment=spec).text())
    ended = subprocess.run(["sh", "run.sh"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "There is no /no/it's $(touch made) such/python here." in ended.stderr
    assert not (tmp_path / "made").exists()
    assert "Set PYTHON to a Python that has the packages of the step." in ended.stderr


PYTHON = """#!/bin/sh
echo "$* ${STUDIO_TOKEN-unset}" >> "$TOLD"
"""
UV = f"""#!/bin/sh
echo "uv ${{STUDIO_TOKEN-unset}}" >> "$TOLD"
for last in "$@"; do :; done
test "$1" = pip || {{ mkdir -p "$last/bin"; printf '%s' '{PYTHON}' > "$last/bin/python"; chmod +x "$last/bin/python"; }}
"""


def test_a_token_is_told_to_nobody_but_who_fetches(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").write_text(UV)
    (tmp_path / "bin" / "uv").chmod(0o755)
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "setup.sh").write_text('echo "setup ${STUDIO_TOKEN-unset}" >> "$TOLD"')
    script = replace(SCRIPT, environment=PREPARED, lock=LOCK, reads=True, command=["true"])
    (tmp_path / "run.sh").write_text(script.text())
    told = tmp_path / "told"
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "TOLD": str(told), "STUDIO_TOKEN": "secret"}
    subprocess.run(["sh", "run.sh"], cwd=tmp_path, env=environment, check=True)
    assert told.read_text().splitlines() == [
        *("uv unset", "uv unset", "setup unset", "-I -S studio.py fetch secret"),
        *("-I -c import studio_sdk unset", "studio.py compare unset"),
    ]


LOCK = EnvironmentLock(python="3.11.7", platform="linux-64")
PREPARED = EnvironmentSpec(pip=["numpy"], setup_script="echo", variables={"A": "b c"})


@pytest.mark.parametrize(
    ("spec", "lock"),
    [
        (PREPARED, LOCK),
        (EnvironmentSpec(conda=["numpy"]), LOCK.model_copy(update={"tool": "conda"})),
        (EnvironmentSpec(python_version="3.12"), None),
    ],
)
def test_every_sort_of_environment_is_good_shell(spec: EnvironmentSpec, lock: EnvironmentLock | None) -> None:
    text = replace(SCRIPT, environment=spec, lock=lock, has_code=True, reads=True).text()
    checked = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert ("micromamba" in text) == (lock is not None and lock.tool == "conda")
    assert ("environment/setup.sh" in text) == bool(spec.setup_script)


def test_the_archive_counts_files_as_the_studio_does(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for name in ("b/2.txt", "b.txt", "a/é/1.txt", "B.txt", "a-b.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link.txt").symlink_to("b.txt")
    (folder / "away.txt").symlink_to("/etc/hostname")
    (folder / "gone.txt").symlink_to("nowhere")
    for only in (None, "b.txt"):
        output = Output(folder, 1, "x", file=only)
        record = record_outputs({"out": output}, lambda _text: None, lambda: None).outputs["out"]
        assert fingerprint(folder, only) == (record.fingerprint, record.file_count)
