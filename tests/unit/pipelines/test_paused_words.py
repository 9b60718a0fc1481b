"""What the page of a paused run says."""

import pytest

from pipelines.run_page import can_pause, paused_words, shown_status


def state(status: str, *steps: str, paused: bool = False, cancelling: bool = False, by: str | None = "ada") -> dict:
    at = "2026-01-01T00:00:00+00:00"
    return {
        "status": status,
        "paused_at": at if paused else None,
        "paused_by": by if paused else None,
        "cancel_requested_at": at if cancelling else None,
        "steps": [{"status": each.removeprefix("asks "), "asks": each.startswith("asks ")} for each in steps],
    }


@pytest.mark.parametrize(
    ("given", "shown", "may_be_paused"),
    [
        (state("running"), "running", True),
        (state("queued"), "queued", True),
        (state("running", paused=True), "paused", False),
        (state("running", paused=True, cancelling=True), "cancelling", False),
        (state("completed"), "completed", False),
    ],
)
def test_the_word_for_it(given: dict, shown: str, may_be_paused: bool) -> None:
    assert (shown_status(given), can_pause(given)) == (shown, may_be_paused)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (state("running"), ""),
        (state("running", "waiting", paused=True), "Paused by ada: nothing further starts."),
        (
            state("running", "running", paused=True),
            "Paused by ada: 1 step still runs to its end, and nothing further starts.",
        ),
        (state("running", "asks running", paused=True), "Paused by ada: nothing further starts."),
        (
            state("running", "running", "preparing", "queued", paused=True, by=None),
            "Paused by somebody who is gone: 2 steps still run to their end, and nothing further starts.",
        ),
    ],
)
def test_who_paused_it_and_what_that_means(given: dict, words: str) -> None:
    assert paused_words(given) == words
