"""The tables of states hold together."""

import pytest

from pipelines.states import RUN_TERMINAL, RUN_TRANSITIONS, STEP_TERMINAL, STEP_TRANSITIONS, RunStatus, StepStatus


@pytest.mark.parametrize(
    ("statuses", "transitions", "terminal"),
    [(RunStatus, RUN_TRANSITIONS, RUN_TERMINAL), (StepStatus, STEP_TRANSITIONS, STEP_TERMINAL)],
)
def test_every_state_ends_somewhere_and_no_end_is_left(statuses: type, transitions: dict, terminal: frozenset) -> None:
    assert set(transitions) == set(statuses)
    for status in statuses:
        assert bool(transitions[status]) != (status in terminal)
        reached, waiting = set(), [status]
        while waiting:
            each = waiting.pop()
            if each not in reached:
                reached.add(each)
                waiting += transitions[each]
        assert reached & terminal
