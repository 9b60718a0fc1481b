"""What a failed build is told as, from the end of what its tool said."""

from compute.environments.explaining import explain


def test_an_installer_that_was_killed_is_named_as_such() -> None:
    explanation = explain("", exit_code=-9)
    assert explanation.reason == (
        "What installs the packages was killed by signal 9 (SIGKILL). Nothing of this build is kept: try again."
    )
    assert explanation.may_retry


def test_one_that_ended_without_a_word_is_told_by_its_exit_code() -> None:
    assert explain("", exit_code=2).reason == "It ended with exit code 2."
