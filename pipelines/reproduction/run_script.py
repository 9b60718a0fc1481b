"""`run.sh` of an archive: the environment as it was locked, what the step reads, and the step's command. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shlex import quote
from textwrap import dedent

from compute.spec import EnvironmentLock, EnvironmentSpec

PROGRAM = "studio.py"
_PLACEHOLDER = re.compile(r"\$\{\{(inputs|outputs|programs)\.([^{}]*)\}\}")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Place:
    """What a placeholder stands for: a path below the archive's folder, or an address as it is."""

    path: str
    is_address: bool = False

    @property
    def in_shell(self) -> str:
        return quote(self.path) if self.is_address else f'"$here"/{quote(self.path)}'


@dataclass(frozen=True, slots=True)
class Script:
    """What `run.sh` is made of."""

    title: str  # “train” of run 12
    command: list[str]
    variables: Mapping[str, str]  # the step's own, which go before the environment's
    hints: Mapping[str, str]  # go after both
    places: Mapping[tuple[str, str], Place]  # by scope and name
    outputs: Iterable[str]
    environment: EnvironmentSpec
    lock: EnvironmentLock | None
    has_code: bool
    reads: bool

    def text(self) -> str:
        parts = [
            self._head(),
            _environment(self.environment, self.lock),
            _fetch() if self.reads else "",
            self._folders(),
            self._run(),
        ]
        return "\n\n".join(part.strip() for part in parts if part) + "\n"

    def _head(self) -> str:
        return dedent(f"""\
            #!/bin/sh
            # Runs the step {_one_line(self.title)} again, as README.md says.
            set -eu
            here=$(cd "$(dirname "$0")" && pwd)
            cd "$here"
            environment="$here/.environment"
            # A token is for the studio alone: what is installed and run here is somebody's code.
            token="${{STUDIO_TOKEN:-}}"
            unset STUDIO_TOKEN
            """)

    def _folders(self) -> str:
        made = " ".join(quote(f"outputs/{name}") for name in self.outputs)
        lines = [
            "# Each time anew: its working folder and what it writes.",
            "rm -rf work outputs .home .tmp",
            "cp -R code work" if self.has_code else "mkdir work",
            f"mkdir -p .home .tmp outputs {made}".rstrip(),
        ]
        return "\n".join(lines)

    def _run(self) -> str:
        variables = {
            "PATH": f'"$environment/bin:{_SYSTEM_PATH}:$PATH"',
            "HOME": '"$here/.home"',
            "TMPDIR": '"$here/.tmp"',
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            "VIRTUAL_ENV": '"$environment"',
            **{name: quote(value) for name, value in {**self.hints, **self.environment.variables}.items()},
            **{name: self._in_shell(value) for name, value in self.variables.items()},
        }
        own = variables["PYTHONPATH"] if self._has_own_path else ""
        variables["PYTHONPATH"] = f'{own}"${{sdk:+:$sdk}}"' if own else '"$sdk"'
        said = " \\\n  ".join(f"{name}={value}" for name, value in variables.items())
        words = [self._in_shell(word) for word in self.command]
        if self.command[:1] == ["python"]:
            words[0] = '"$environment/bin/python"'
        return dedent("""\
            # What a step logs by studio_sdk is printed here. An environment's own goes before that of the studio.
            sdk="$here/sdk"
            if "$environment/bin/python" -I -c "import studio_sdk" >/dev/null 2>&1; then sdk=""; fi

            # The step, which is told nothing else of this machine.
            cd work
            code=0
            env -i {said} \\
              {words} || code=$?
            cd "$here"
            if [ "$code" -ne 0 ]; then
              echo "The step ended with exit code $code." >&2
              exit "$code"
            fi
            "$environment/bin/python" {program} compare
            """).format(said=said, words=" ".join(words), program=PROGRAM)

    @property
    def _has_own_path(self) -> bool:
        return bool({**self.environment.variables, **self.variables}.get("PYTHONPATH"))

    def _in_shell(self, text: str) -> str:
        """As a word of the shell, with what its placeholders stand for."""
        word, end = "", 0
        for found in _PLACEHOLDER.finditer(text):
            if before := text[end : found.start()]:
                word += quote(before)
            place = self.places.get((found[1], found[2]))
            word += place.in_shell if place else quote(found[0])
            end = found.end()
        return word + quote(text[end:]) if text[end:] or not word else word


def _fetch() -> str:
    """Without a package of the environment being asked, as one may be whenever Python starts."""
    return f'# What it reads.\nSTUDIO_TOKEN="$token" "$environment/bin/python" -I -S {PROGRAM} fetch'


def _environment(spec: EnvironmentSpec, lock: EnvironmentLock | None) -> str:
    if not spec.is_managed:
        return _inherited(spec)
    make = _by_conda() if lock is not None and lock.tool == "conda" else _by_pip(spec)
    lines = [
        "# The environment, made once.",
        'if [ ! -e "$environment/made" ]; then',
        '  rm -rf "$environment"',
        *(f"  {line}" for line in make),
    ]
    if spec.setup_script:
        variables = " ".join(f"{name}={quote(value)}" for name, value in spec.variables.items())
        path = f'PATH="$environment/bin:{_SYSTEM_PATH}:$PATH"'
        told = f'{path} VIRTUAL_ENV="$environment" STUDIO_ENVIRONMENT="$environment" {variables}'.rstrip()
        lines.append(f"  env {told} sh -e environment/setup.sh")
    return "\n".join([*lines, '  touch "$environment/made"', "fi"])


def _by_pip(spec: EnvironmentSpec) -> list[str]:
    version = quote(spec.python_version)
    short = quote(".".join(spec.python_version.split(".")[:2]))
    install = "--quiet --no-deps --requirement environment/requirements.txt"
    return [
        "if command -v uv >/dev/null 2>&1; then",
        f'  uv venv --quiet --no-project --python {version} "$environment"',
        f'  uv pip install --python "$environment/bin/python" {install}',
        "else",
        f'  python{short} -m venv "$environment"',
        f'  "$environment/bin/python" -m pip install --disable-pip-version-check {install}',
        "fi",
    ]


def _by_conda() -> list[str]:
    """The list holds the addresses of all packages, for the platform that it was made on."""
    return [
        'conda="$(command -v micromamba || command -v mamba || command -v conda)" ||',
        '  { echo "This needs micromamba, mamba or conda: install one of them." >&2; exit 1; }',
        '"$conda" create --yes --quiet --prefix "$environment" --file environment/conda.txt',
        "if [ -s environment/requirements.txt ]; then",
        '  "$environment/bin/python" -m pip install --quiet --no-deps --requirement environment/requirements.txt',
        "fi",
    ]


def _inherited(spec: EnvironmentSpec) -> str:
    return dedent(f"""\
        # Its packages were looked after by somebody, not by the studio: have PYTHON name a Python that has them.
        python="${{PYTHON:-}}"
        if [ -z "$python" ]; then python={quote(spec.interpreter)}; fi
        if ! command -v "$python" >/dev/null 2>&1; then
          echo "There is no $python here. Set PYTHON to a Python that has the packages of the step." >&2
          exit 1
        fi
        rm -rf "$environment"
        mkdir -p "$environment/bin"
        printf '#!/bin/sh\\nexec "%s" "$@"\\n' "$(command -v "$python")" > "$environment/bin/python"
        chmod +x "$environment/bin/python"
        """)


def _one_line(text: str) -> str:
    return " ".join(text.split())
