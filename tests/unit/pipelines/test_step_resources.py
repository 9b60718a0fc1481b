"""What a step asks of its node: refused where it is absurd or no node has it, warned of where nobody knows."""

import pytest

from compute.resources import Capacity
from pipelines.validation import Catalogue, parse_definition, problems_of, warnings_of
from studio.lib.problems import UserError

GB = 10**9
NODES = {"local": [Capacity(cpus=2, memory_bytes=8 * GB, gpus=0), Capacity(cpus=1, memory_bytes=16 * GB, gpus=1)]}
LOC = ("steps", 0, "resources")


def definition(resources: object, compute: str = "local") -> object:
    step = {"name": "train", "source": "d", "entry": "main.py", "compute": compute, "resources": resources}
    return parse_definition({"steps": [step]})


def catalogue() -> Catalogue:
    return Catalogue(
        computes=frozenset({"local", "new"}),
        environments={"python": frozenset({1})},
        sources={"d": frozenset({"main.py"})},
        nodes=NODES,
    )


def told(resources: object, compute: str = "local") -> dict[tuple[str | int, ...], str]:
    return {problem.loc: problem.message for problem in problems_of(definition(resources, compute), catalogue())}


@pytest.mark.parametrize(
    "resources", [{}, {"cpus": 2}, {"cpus": 0.01, "memory_bytes": 16 * GB}, {"gpus": 1, "cpus": 1}, {"gpus": 0}]
)
def test_what_a_node_has_may_be_asked_for(resources: object) -> None:
    assert told(resources) == {}


@pytest.mark.parametrize(
    ("resources", "field", "words"),
    [
        ({"cpus": 0}, "cpus", "Ask for 0.01 to 10,000 CPUs"),
        ({"cpus": -1}, "cpus", "Ask for 0.01"),
        ({"cpus": 1e300}, "cpus", "Ask for 0.01"),
        ({"memory_bytes": 0}, "memory_bytes", "Ask for 1 MB to 1000 TB"),
        ({"memory_bytes": -5}, "memory_bytes", "Ask for 1 MB"),
        ({"memory_bytes": 10**40}, "memory_bytes", "Ask for 1 MB"),
        ({"gpus": -1}, "gpus", "Ask for 0 to 1,024 GPUs."),
        ({"gpus": 10**9}, "gpus", "Ask for 0 to 1,024 GPUs."),
        (
            {"cpus": 3},
            "cpus",
            "The largest node of “local” has 2 CPUs. Ask for less, or choose another compute target.",
        ),
        ({"memory_bytes": 17 * GB}, "memory_bytes", "The largest node of “local” has 16 GB of memory. Ask for less"),
        ({"gpus": 2}, "gpus", "The largest node of “local” has 1 GPU. Ask"),
        ({"cpus": 2, "gpus": 1}, "gpus", "No node has 2 CPUs and 1 GPU together. Ask"),
    ],
)
def test_what_is_absurd_or_never_there_is_said_at_its_field(resources: object, field: str, words: str) -> None:
    ((loc, message),) = told(resources).items()
    assert loc == (*LOC, field)
    assert message.startswith(words)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "many", []])
def test_what_is_no_number_is_refused_at_its_field(value: object) -> None:
    for name in ("cpus", "memory_bytes"):
        with pytest.raises(UserError) as refused:
            definition({name: value})
        assert refused.value.problems[0].loc[-1] == name


def test_a_target_without_a_known_node_warns_and_refuses_nothing() -> None:
    asked = definition({"gpus": 2}, "new")
    assert problems_of(asked, catalogue()) == []
    (warning,) = warnings_of(asked, catalogue())
    assert warning.loc == LOC
    assert warning.message == "No node of “new” has been seen yet: nobody knows whether one has 2 GPUs."
    assert warnings_of(definition({"gpus": 1}), catalogue()) == []
    assert warnings_of(definition({}, "new"), catalogue()) == []
