"""Conda's YAML files: what they say, and a sentence for everything that they can't say here."""

import pytest

from compute.environments.conda_files import MAX_BYTES, spec_of
from compute.spec import EnvironmentSpec
from studio.lib.problems import UserError

WHOLE = """
name: forecast
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11
  - numpy=1.26
  - conda-forge::lightgbm>=4
  - pip
  - pip:
      - prophet==1.1.5
      - -e ../mine
variables:
  OMP_NUM_THREADS: 4
  DEBUG: true
"""


def test_a_whole_file_is_read() -> None:
    assert spec_of(WHOLE, python_version="3.13") == EnvironmentSpec(
        python_version="3.11",
        conda=["numpy=1.26", "conda-forge::lightgbm>=4", "pip"],
        channels=["conda-forge"],
        pip=["prophet==1.1.5", "-e ../mine"],  # refused where all requirements are
        variables={"OMP_NUM_THREADS": "4", "DEBUG": "true"},
    )


def test_python_is_that_of_the_form_where_the_file_names_none() -> None:
    assert spec_of("dependencies: [numpy]", python_version="3.12").python_version == "3.12"
    assert spec_of("dependencies: ['python=3.10.*']", python_version="3.12").python_version == "3.10"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has “dependencies:”"),
        ("- numpy", "has “dependencies:”"),
        ("dependencies: numpy", "must be a list"),
        ("dependencies: [numpy", "This is no YAML in line 1"),
        ("dependencies: [{pip: [x], conda: [y]}]", "only “pip:” may have a list"),
        ("dependencies: [{pip: [{a: b}]}]", "“pip” must be a list"),
        ("dependencies: ['python>=3.9']", "leaves the Python version open"),
        ("dependencies: ['numpy[build=x]']", "conditions in brackets"),
        ("platforms: [linux-64]", "“platforms” is no part of a conda file"),
        ("variables: [1]\ndependencies: []", "must be names with their values"),
        ("a: &a [x]\nb: *a", "uses YAML aliases"),
        ("dependencies: !!python/object/apply:os.system [id]", "This is no YAML"),
        ("#" * (MAX_BYTES + 1), "larger than 200 kB"),
        ("[" * 10_000, "This is no YAML"),
    ],
)
def test_what_is_wrong_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        spec_of(text, python_version="3.11")
    assert {problem.loc for problem in caught.value.problems} == {("conda_file",)}
