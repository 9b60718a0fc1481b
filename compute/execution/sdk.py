"""How a step finds the SDK: a folder with nothing else in it, behind whatever search path the step has of its own.

What lies beside a script is found before it, and so is an SDK that the environment has itself. A kept interpreter is
started with the same search path, so it makes no difference to a warm start.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from compute.environments.places import BuiltEnvironment

SPOOL = "STUDIO_SPOOL"  # names the file that the SDK writes to
DATA = "STUDIO_DATA"  # names the file with the places of the step's inputs and outputs, as JSON
UPLOADS = "STUDIO_UPLOADS"  # names the folder that it puts files into; whoever comes first makes it
SDK = Path(__file__).parents[2] / "studio" / "sdk"
SDK_PACKAGE = "studio_sdk"


def sdk_variables(said: Mapping[str, str], environment: BuiltEnvironment) -> dict[str, str]:
    """The search path, the one that was `said` leading; none of ours where the environment has the SDK installed."""
    if _is_installed(environment.python):
        return {}
    before = said.get("PYTHONPATH", "")
    return {"PYTHONPATH": f"{before}:{SDK}" if before else str(SDK)}


@lru_cache(maxsize=256)
def _is_installed(python: Path) -> bool:
    return any(python.parent.parent.glob(f"lib*/python3*/site-packages/{SDK_PACKAGE}"))
