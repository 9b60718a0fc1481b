"""Nodes come and go: one live process to a name, and what a dead one held goes back."""

import os
import socket
from datetime import timedelta

import psutil
import pytest
from django.utils import timezone

from compute.alive import alive_nodes
from compute.models import Node
from compute.node.capacity import NodeCapacity
from compute.services.leases import claim
from compute.services.nodes import hand_back_inherited, inherited_jobs, register, say_goodbye
from compute.states import JobStatus
from studio.lib.problems import UserError
from tests.support.compute import Compute

pytestmark = pytest.mark.django_db
CAPACITY = NodeCapacity(cpus=2, memory_bytes=4 * 1024**3)


def test_a_live_node_elsewhere_keeps_its_name() -> None:
    compute = Compute()
    compute.node("one")
    with pytest.raises(UserError, match="--name"):
        register(target=compute.target, name="one", slots=1, capacity=CAPACITY)


def test_a_live_process_here_keeps_its_name() -> None:
    compute = Compute()
    born = psutil.Process(os.getppid()).create_time()
    compute.node("one", hostname=socket.gethostname(), pid=os.getppid())
    assert born < timezone.now().timestamp()
    with pytest.raises(UserError, match=f"process {os.getppid()}"):
        register(target=compute.target, name="one", slots=1, capacity=CAPACITY)


def test_a_live_process_keeps_its_name_when_the_clock_of_its_machine_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Compute()
    compute.node("one", hostname=socket.gethostname(), pid=os.getppid())
    boot_s = psutil.boot_time()
    # As /proc/stat tells it after an hour on: the kernel reckons it anew by the clock as it is now.
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot_s + 3600)
    with pytest.raises(UserError, match="--name"):
        register(target=compute.target, name="one", slots=1, capacity=CAPACITY)


def test_a_dead_process_here_gives_its_name_up_at_once() -> None:
    compute = Compute()
    before = compute.node("one", hostname=socket.gethostname(), pid=2**22 + 1)
    node = register(target=compute.target, name="one", slots=3, capacity=CAPACITY)
    assert (node.pk, node.pid, node.slots) == (before.pk, os.getpid(), 3)
    assert node.incarnation != before.incarnation


def test_another_process_that_got_the_number_since_is_not_the_node() -> None:
    compute = Compute()
    long_ago = timezone.now() - timedelta(days=4000)
    compute.node("one", hostname=socket.gethostname(), pid=os.getpid(), started_at=long_ago)
    assert register(target=compute.target, name="one", slots=1, capacity=CAPACITY).pid == os.getpid()


@pytest.mark.parametrize("gone", ["silent", "stopped"])
def test_a_node_that_is_gone_leaves_its_name(gone: str) -> None:
    compute = Compute()
    node = compute.node("one", heard_of=gone != "silent")
    if gone == "stopped":
        say_goodbye(node)
    assert not alive_nodes(Node.objects.filter(pk=node.pk)).exists()
    assert alive_nodes(
        Node.objects.filter(pk=register(target=compute.target, name="one", slots=1, capacity=CAPACITY).pk)
    ).exists()


def test_what_an_earlier_incarnation_held_goes_back_as_a_loss() -> None:
    compute = Compute()
    job = compute.job()
    claim(compute.node("one", heard_of=False))
    node = register(target=compute.target, name="one", slots=1, capacity=CAPACITY)
    jobs = inherited_jobs(node)
    assert [held.pk for held in jobs] == [job.pk]
    assert hand_back_inherited(jobs) == 1
    assert hand_back_inherited(jobs) == 0
    job.refresh_from_db()
    assert (job.status, job.node_losses) == (JobStatus.QUEUED, 1)
    assert "started again" in job.reason
