"""What names of Azure ML and images of containers are here, where nobody said otherwise. Pure."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

# The first pattern that fits counts. Each names an environment that comes with the studio.
_ENVIRONMENTS: Mapping[str, str] = {
    "*sklearn*": "sklearn",
    "*scikit*": "sklearn",
    "*lightgbm*": "lightgbm",
    "*pytorch*": "pytorch-cpu",
    "*minimal*": "python",
    "*python-sdk*": "python",
}
_IMAGES: Mapping[str, str] = {
    **_ENVIRONMENTS,
    "mcr.microsoft.com/azureml/openmpi*": "python",
    "mcr.microsoft.com/azureml/base*": "python",
    "mcr.microsoft.com/azureml/*ubuntu*": "python",
    "python": "python",
    "python:*": "python",
    "*/python:*": "python",
    "*miniconda*": "python",
}
_OF_SORT = {"environment": _ENVIRONMENTS, "image": _IMAGES}


def usual_meaning(sort: str, name: str) -> str | None:
    """The environment that comes nearest; None where nobody can tell."""
    lower = name.lower()
    return next((here for pattern, here in _OF_SORT.get(sort, {}).items() if fnmatchcase(lower, pattern)), None)


def said_meaning(table: Mapping[str, str], name: str) -> str | None:
    """What a table of names, or patterns with `*`, says."""
    if name in table:
        return table[name]
    return next((here for pattern, here in table.items() if "*" in pattern and fnmatchcase(name, pattern)), None)
