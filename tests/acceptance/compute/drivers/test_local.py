"""Local targets keep the contract of drivers."""

from collections.abc import Callable

import pytest

from tests.acceptance.compute.drivers.contract import DriverContract, Ground, ground_of
from tests.support.compute import Compute
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)


class TestLocal(DriverContract):
    @pytest.fixture
    def ground(self, worker_stack: Callable[..., Stack]) -> Ground:
        return ground_of(worker_stack, Compute(slots=1))
