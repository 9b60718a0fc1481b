"""What a store's error becomes for the step that reads it."""

import pytest

from compute.data.retrying import as_failure
from datastores.backends import Unreachable
from studio.lib.problems import UserError

REVOKED = UserError("The server does not know this key. Enter another one.", loc=("credentials", "access_key"))


@pytest.mark.parametrize(
    ("names", "where"),
    [
        ([], ""),
        (["lake"], " It stands in the settings of the datastore “lake”."),
        (["lake", "lake"], " It stands in the settings of the datastore “lake”."),
        (["b", "c", "a"], " It stands in the settings of one of the datastores “a”, “b” and “c”."),
    ],
)
def test_what_a_datastores_settings_mend_says_which_datastore(names: list[str], where: str) -> None:
    failure = as_failure(REVOKED, "Input “x”", datastores=names)
    assert str(failure) == f"Input “x”: The server does not know this key. Enter another one.{where}"


def test_what_they_do_not_mend_names_none() -> None:
    failure = as_failure(UserError("“a.csv” is not there.", loc=("path",)), "Input “x”", datastores=["lake"])
    assert str(failure) == "Input “x”: “a.csv” is not there."


def test_a_server_that_is_away_is_tried_again_and_named() -> None:
    error = Unreachable("It refuses the connection.", loc=("config", "endpoint"))
    failure = as_failure(error, "Input “x”", datastores=["lake"])
    assert failure is not None
    assert failure.may_retry
    assert str(failure).endswith("connection. It stands in the settings of the datastore “lake”.")
