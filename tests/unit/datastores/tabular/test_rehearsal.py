"""What a process does ahead of its call: it must work, for where it fails nobody is told and each call is slower."""

from pathlib import Path

from pytest_django import Settings

from datastores.tabular.rehearsal import rehearse


def test_a_rehearsal_reads_its_table_and_writes_nothing(settings: Settings) -> None:
    settings.STUDIO_HOME = settings.STUDIO_HOME  # given back after the test
    settings.FOLDERS_GATEWAY = "somewhere"
    rehearse()
    home = Path(settings.STUDIO_HOME)
    assert [str(each.relative_to(home)) for each in home.rglob("*")] == ["workspaces", "workspaces/table.csv"]
