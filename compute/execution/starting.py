"""The one place where a step's first process begins: out of an interpreter that is ready, or by a fresh one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compute.environments.places import BuiltEnvironment
from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.plan import SandboxPlan
from compute.execution.sandbox.process import launch
from compute.execution.supervision import PlainProcess, StepProcess, spawn
from compute.execution.warm import pool
from compute.execution.warm.nests import StepOrder


@dataclass(frozen=True, slots=True)
class Start:
    """What a step is started as."""

    command: list[str]  # a path, or a name to be found in PATH, and its arguments
    cwd: str
    variables: Mapping[str, str]
    environment: BuiltEnvironment
    snapshot: str | None  # what lies in `cwd`
    has_places_in_variables: bool = False  # paths of this attempt alone
    of_it_alone: frozenset[str] = frozenset()  # variables that every step has, and each with another value
    sandbox: Sandbox | None = None
    plan: SandboxPlan | None = None  # with the sandbox

    @property
    def may_be_warm(self) -> bool:
        """What is nobody's but the studio's stays as it was built: of that alone an interpreter can know beforehand.

        Variables with paths of the attempt are no other step's: what read them early would have read those of another.
        """
        if self.has_places_in_variables:
            return False
        return self.environment.interpreter is None and self.command[:1] == [str(self.environment.python)]


def begin(start: Start, bind: Callable[[int], None]) -> StepProcess:
    """A child of this process in a session of its own, with pipes for what it says. Raises OSError.

    Whatever `bind` puts on a process is on a warm one before its first line: it would not take the time to boot.
    """
    plan = start.plan
    if pool.current is not None and start.may_be_warm:
        sandbox = None if plan is None else plan.as_json()
        order = StepOrder(start.command, start.cwd, start.variables, sandbox=sandbox, bind=bind)
        warm = pool.current.start(
            order, environment=start.environment.folder, snapshot=start.snapshot, of_it_alone=start.of_it_alone
        )
        if warm is not None:
            return warm
    if start.sandbox is not None and plan is not None:
        return launch(start.command, start.variables, sandbox=start.sandbox, plan=plan)
    return PlainProcess(spawn(start.command, cwd=start.cwd, env=dict(start.variables)))


def expect(start: Start) -> None:
    """It will be begun in a moment, and be much like this: whatever can be made ready, may be."""
    if pool.current is not None and start.may_be_warm:
        variables = {name: value for name, value in start.variables.items() if name not in start.of_it_alone}
        pool.current.expect(start.command, variables, start.environment.folder)
