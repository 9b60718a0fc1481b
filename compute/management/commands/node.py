"""`manage.py node --compute NAME_OR_ID`: be a node of a compute target until stopped."""

import math
import re
import socket
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compute.models import ComputeTarget
from compute.node import capacity
from compute.node.process import serve
from compute.resources import MAX_CPUS, MAX_GPUS, MAX_MEMORY_BYTES, MIN_CPUS, MIN_MEMORY_BYTES
from compute.services.targets import MAX_SLOTS
from compute.states import KeptBy
from studio.lib.problems import UserError


class Command(BaseCommand):
    help = "Run jobs of a compute target on this machine, which needs to reach the database and Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--compute", required=True, help="the target's name, WORKSPACE/NAME, or its number")
        parser.add_argument("--slots", type=int, help="jobs at once (default: as the target says)")
        parser.add_argument("--name", help="the node's name, one of its kind in the target (default: the host's name)")
        parser.add_argument("--supervised", action="store_true", help="given by the supervisor that keeps the node")
        parser.add_argument("--pool-node", type=int, help="given by the pool that starts it: its number for the node")

        parser.add_argument("--cpus", type=_cpus, help="CPUs to give out (default: those that this process may use)")
        parser.add_argument(
            "--memory", type=_memory, help="memory to give out, as in 16GB (default: all that this process may use)"
        )
        parser.add_argument(
            "--gpus", type=_gpus, help='devices to give out, as in "0,1"; "" for none (default: those of nvidia-smi)'
        )

    def handle(self, *args: Any, **options: Any) -> None:
        target = _find(options["compute"])
        slots = options["slots"] if options["slots"] is not None else target.slots
        if not 1 <= slots <= MAX_SLOTS:
            raise CommandError(f"Give a number of slots from 1 to {MAX_SLOTS}.")
        try:
            serve(
                target,
                name=(options["name"] or socket.gethostname())[:200],
                slots=slots,
                capacity=capacity.find(cpus=options["cpus"], memory_bytes=options["memory"], gpus=options["gpus"]),
                pool_node_id=options["pool_node"],
                kept_by=KeptBy.SUPERVISOR if options["supervised"] else KeptBy.HAND,
            )
        except UserError as error:
            raise CommandError(str(error)) from None


def _cpus(given: str) -> float:
    try:
        cpus = float(given)
    except ValueError:
        cpus = math.nan
    if not MIN_CPUS <= cpus <= MAX_CPUS:
        raise ArgumentTypeError(f"give a number of CPUs from {MIN_CPUS:g} to {MAX_CPUS:,}")
    return cpus


def _memory(given: str) -> int:
    match = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{1,6})?)\s*(MB|GB|TB)?\s*", given, re.IGNORECASE)
    unit = {"MB": 10**6, "GB": 10**9, "TB": 10**12}.get((match[2] or "").upper(), 1) if match else 0
    size_bytes = int(float(match[1]) * unit) if match else 0
    if not MIN_MEMORY_BYTES <= size_bytes <= MAX_MEMORY_BYTES:
        raise ArgumentTypeError("give an amount of memory from 1MB to 1000TB, as in 16GB")
    return size_bytes


def _gpus(given: str) -> list[str]:
    gpus = [name.strip() for name in given.split(",") if name.strip()]
    if len(set(gpus)) != len(gpus) or len(gpus) > MAX_GPUS:
        raise ArgumentTypeError("name each GPU once")
    return gpus


def _find(reference: str) -> ComputeTarget:
    targets = ComputeTarget.objects.order_by("id")
    if reference.isdecimal() and (target := targets.filter(pk=int(reference)).first()):
        return target
    slug, _, name = reference.rpartition("/")
    found = list(targets.filter(name=name, **({"workspace__slug": slug} if slug else {})))
    if not found:
        raise CommandError(f"There is no compute target “{reference}”: make it on the workspace's compute page first.")
    if len(found) > 1:
        numbers = ", ".join(f"{target.pk} ({target.workspace or 'shared'})" for target in found)
        raise CommandError(f"“{reference}” is the name of several targets: give the number of one of {numbers}.")
    return found[0]
