"""Why a step ended, in words."""

import errno

import pytest

from compute.execution.reasons import bounded, is_full_disk, of_exit, of_spawn, of_timeout


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (3, "exit code 3."),
        (137, "exit code 137. That often stands for SIGKILL: a machine that runs out of memory"),
        (139, "exit code 139. That often stands for SIGSEGV."),
        (-11, "killed by signal 11 (SIGSEGV)."),
        (-9, "killed by signal 9 (SIGKILL). The studio did not send it"),
        (-63, "killed by signal 63"),
    ],
)
def test_exit_codes_are_explained(code: int, said: str) -> None:
    assert said in of_exit(code)


@pytest.mark.parametrize("code", [-9, 137])
def test_whether_the_machine_ran_out_of_memory_is_told_where_it_is_known(code: int) -> None:
    assert "did not run out of memory" in of_exit(code, ran_out=False)
    assert "this will be one of them" in of_exit(code, ran_out=True)
    assert "out of memory" not in of_exit(1, ran_out=True)


def test_a_deleted_working_folder_is_told() -> None:
    assert "deleted its working folder" in of_exit(1, folder_gone=True)


def test_a_time_limit_is_named() -> None:
    assert of_timeout(60.0) == "It ran longer than its time limit of 60 s and was ended."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "no"), "“train” was not found"),
        (PermissionError(errno.EACCES, "no"), "may not be executed"),
        (OSError(errno.E2BIG, "no"), "too long"),
        (OSError(errno.ENOEXEC, "no"), "not a program"),
        (OSError(errno.EMFILE, "too many"), "The studio failed to start the process"),
    ],
)
def test_a_process_that_did_not_start_says_why(error: OSError, said: str) -> None:
    assert said in of_spawn(error, "train")


def test_a_reason_fits_its_column() -> None:
    assert len(bounded("x" * 5000)) == 2000
    assert "\0" not in bounded("a\0b")


def test_a_full_disk_is_known_whoever_says_so() -> None:
    assert is_full_disk(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full_disk(RuntimeError("database or disk is full"))
    assert not is_full_disk(OSError(errno.EACCES, "no"))
