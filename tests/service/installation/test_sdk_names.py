"""The page of the SDK's names says of each whether it works, as its code does."""

import importlib
import inspect
import sys

import pytest
from django.test import Client

from compute.execution.sdk import SDK
from studio.installation.sdk_names import Module, counts, modules_of

sys.path.append(str(SDK))


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    return {module.name: module for module in modules_of(SDK)}


def test_every_name_can_be_imported_from_where_it_is_listed(modules: dict[str, Module]) -> None:
    for module in modules.values():
        there = importlib.import_module(module.name)
        for name in (*(each.name for each in module.names), *module.also):
            assert hasattr(there, name), f"{module.name}.{name}"


def test_what_is_refused_says_what_to_use(modules: dict[str, Module]) -> None:
    from studio_sdk.exceptions import NotSupportedException

    called = 0
    for module in modules.values():
        there = importlib.import_module(module.name)
        for name in module.names:
            made = getattr(there, name.name)
            for member in name.members:
                if not member.is_refused:
                    continue
                assert len(member.instead) > 20, f"{module.name}.{name.name}.{member.name}"
                if isinstance(inspect.getattr_static(made, member.name), staticmethod):
                    called += 1
                    wanted = inspect.signature(getattr(made, member.name)).parameters.values()
                    given = [None for each in wanted if each.kind is each.POSITIONAL_OR_KEYWORD]
                    with pytest.raises(NotSupportedException):
                        getattr(made, member.name)(*given)
    assert called > 10


def test_the_page(modules: dict[str, Module], db: None) -> None:
    datastore = next(name for name in modules["studio_sdk.core.datastore"].names if name.name == "Datastore")
    members = {member.name: member for member in datastore.members}
    assert members["register_hdfs"].instead == "HDFS is not reached: use register_s3, register_sftp or register_local."
    assert not members["register_s3"].is_refused
    assert modules["studio_sdk.core"].also["Workspace"] == "studio_sdk.core.workspace"
    others = {name.name: name for name in modules["studio_sdk.core.compute.others"].names}
    assert others["AksCompute"].is_refused
    assert others["AksCompute"].instead.startswith("Kubernetes: Use a pool")
    assert not others["RemoteCompute"].is_refused
    works, refused = counts(list(modules.values()))
    page = Client().get("/sdk/names/").content.decode()
    assert f"{works} names work; {refused} are there" in page
    assert "studio_sdk.core.compute_target" in page
