"""The digest of a specification: what tells one environment from another, over the years."""

import hashlib
import json

from compute.spec import EnvironmentSpec


def test_what_was_there_keeps_its_digest() -> None:

    said = json.dumps({"python": "3.11", "pip": ["numpy", "pandas"]}, sort_keys=True)
    of_then = hashlib.sha256(said.encode()).hexdigest()
    assert EnvironmentSpec(pip=["pandas", "numpy"]).digest == of_then
    assert EnvironmentSpec.model_validate({"schema_version": 1, "python_version": "3.11", "pip": ["numpy", "pandas"]})


def test_everything_that_makes_an_environment_counts() -> None:
    variations = [
        EnvironmentSpec(),
        EnvironmentSpec(python_version="3.12"),
        EnvironmentSpec(pip=["numpy"]),
        EnvironmentSpec(conda=["numpy"]),
        EnvironmentSpec(conda=["numpy"], channels=["conda-forge"]),
        EnvironmentSpec(conda=["numpy"], channels=["conda-forge", "mine"]),
        EnvironmentSpec(conda=["numpy"], channels=["mine", "conda-forge"]),
        EnvironmentSpec(indexes=["pytorch-cpu"]),
        EnvironmentSpec(variables={"A": "1"}),
        EnvironmentSpec(variables={"A": "2"}),
        EnvironmentSpec(setup_script="true"),
        EnvironmentSpec(interpreter="/opt/python"),
        EnvironmentSpec(generation=1),
    ]
    assert len({each.digest for each in variations}) == len(variations)
    assert (
        EnvironmentSpec(variables={"A": "1", "B": "2"}).digest == EnvironmentSpec(variables={"B": "2", "A": "1"}).digest
    )
