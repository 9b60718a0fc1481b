"""What the parts of a step that works on several nodes are called, and whether there is room for them. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from pipelines.definition import Step
from pipelines.graph import places_of
from pipelines.kinds.parallel_run import MOST_NODES, ParallelRunStep
from pipelines.modules.resolving import Resolved
from studio.lib.problems import Problem

MAX_NAME = 100  # characters of a step's name


def is_spread(step: Step) -> bool:
    """False for a number of nodes that nobody may ask for, too: the kind itself tells that."""
    return isinstance(step, ParallelRunStep) and 2 <= step.nodes <= MOST_NODES


def part_names(step: Step) -> list[str]:
    """Of the steps that a run has for it, beside it."""
    if not isinstance(step, ParallelRunStep) or not is_spread(step):
        return []
    return [f"{step.name}.{number}of{step.nodes}" for number in range(1, step.nodes + 1)]


def spreading_problems(given: Resolved, max_steps: int) -> Iterator[Problem]:
    """What a pipeline's own steps leave no room for, at the field `nodes`."""
    places = places_of(given.definition)
    left = max_steps - len(given.definition.steps)
    for index, step in enumerate(given.definition.steps):
        names = part_names(step)
        left -= len(names)
        if names:
            sentences = list(_name_problems(names, places))
            if left < 0:
                sentences.append(f"With its parts the pipeline has more than {max_steps:,} steps. Take fewer nodes.")
            yield from given.told(index, [Problem(("steps", index, "nodes"), sentence) for sentence in sentences[:1]])


def _name_problems(names: Sequence[str], places: Mapping[str, int]) -> Iterator[str]:
    if len(names[-1]) > MAX_NAME:
        yield (
            f"Its part on a node would be called “{names[-1]}”, which has more than {MAX_NAME} characters. "
            "Shorten the step's name."
        )
    taken = next((name for name in names if name in places), None)
    if taken is not None:
        yield f"Its part on a node would be called “{taken}”, as another step is. Give one of the two another name."
