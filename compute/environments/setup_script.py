"""The last part of a build: a shell script of the environment's author, run once, as a step is run."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from compute.environments.commands import Commands
from compute.environments.enclosure import Enclosed, Enclosure
from compute.environments.places import BuiltEnvironment
from compute.execution.processes import kill_until_gone, members
from compute.execution.reasons import StepFailure
from compute.execution.sandbox.plan import Kind
from compute.spec import EnvironmentSpec

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_setup_script(
    environment: BuiltEnvironment, spec: EnvironmentSpec, commands: Commands, enclosure: Enclosure | None
) -> None:
    """It may write into the environment's folder, which `$STUDIO_ENVIRONMENT` names; what else it writes is gone.

    It is told nothing of the node's own variables. Raises StepFailure with its exit code, or where it took too long.
    """
    limit_s = settings.SETUP_SCRIPT_TIMEOUT_S
    commands.tell("Running the setup script.")
    with _home(environment, enclosure) as (home, within):
        script = home / "setup.sh"
        script.write_text(spec.setup_script if spec.setup_script.endswith("\n") else f"{spec.setup_script}\n")
        env = {
            "PATH": f"{environment.bin}:{_SYSTEM_PATH}",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "VIRTUAL_ENV": str(environment.folder),
            "STUDIO_ENVIRONMENT": str(environment.folder),
            **spec.variables,
        }
        command = ["/bin/sh", "-e", str(script)]
        ended = commands.run(command, cwd=home, env=env, limit_s=limit_s, within=within)
        handle = commands.handle
        kill_until_gone(lambda: members(marker=handle.marker))
    if ended.exit_code is None:
        raise StepFailure(
            f"The environment's setup script ran longer than {limit_s:g} s and was ended. Make it do less, or have the "
            "administrator raise STUDIO_SETUP_SCRIPT_TIMEOUT_S."
        )
    if not ended.is_good:
        last = "\n".join(ended.last_words.splitlines()[-15:])
        raise StepFailure(
            f"The environment's setup script ended with exit code {ended.exit_code}. Correct it in a new version of "
            f"the environment.\n{last}"
        )
    if enclosure is not None:
        enclosure.check_interpreter()


@contextmanager
def _home(environment: BuiltEnvironment, enclosure: Enclosure | None) -> Iterator[tuple[Path, Enclosed | None]]:
    if enclosure is not None:
        enclosed = enclosure.shut_in({}, environment=Kind.WRITABLE)
        yield enclosed.home, enclosed
        return
    with tempfile.TemporaryDirectory(prefix="setup-", dir=environment.folder) as home:
        yield Path(home), None
