"""The tables of states hold together."""

import pytest

from pipelines.states import RUN_TERMINAL, RUN_TRANSITIONS, STEP_TERMINAL, STEP_TRANSITIONS, RunStatus, StepStatus


@pytest.mark.parametrize(
    ("statuses", "transitions", "terminal"),
    [(RunStatus, RUN_TRANSITIONS, RUN_TERMINAL), (StepStatus, STEP_TRANSITIONS, STEP_TERMINAL)],
)
def test_every_state_ends_and_an_end_is_left_only_to_begin_again(
    statuses: type, transitions: dict, terminal: frozenset
) -> None:
    assert set(transitions) == set(statuses)
    for status in statuses:
        if status in terminal:
            assert transitions[status] <= {next(iter(statuses))}  # the first state of all
        else:
            assert transitions[status]
        reached, waiting = set(), [status]
        while waiting:
            each = waiting.pop()
            if each not in reached:
                reached.add(each)
                waiting += transitions[each]
        assert reached & terminal


def test_what_completed_stays() -> None:
    assert not RUN_TRANSITIONS[RunStatus.COMPLETED]
    assert not STEP_TRANSITIONS[StepStatus.COMPLETED]
