"""Another pipeline once for each point of a search space, as Azure ML's HyperDrive has it, to find the best values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

from pydantic import Field, FiniteFloat

from pipelines.kinds.interface import Example, Place, SourceFiles
from pipelines.kinds.with_runs import Ended, KnownRuns, NewRun, RunMade, StepWithRuns, Turn
from pipelines.parts import ParameterValue, Part
from pipelines.states import RunStatus, StepStatus
from pipelines.sweeping.sampling import (
    Space,
    Told,
    grid_point,
    grid_size_words,
    has_prior,
    points_of,
    random_point,
    suggested_point,
)
from pipelines.sweeping.space import Distribution, ExpressionError, Interval, as_written, read
from pipelines.sweeping.termination import Bandit, MedianStopping, Policy, Progress, Truncation, to_stop

MAX_TRIALS = 1000
MAX_AT_ONCE = 100
MAX_SEARCHED = 50
_LABEL = 200
STOPPED = "Stopped by the sweep: "  # how the reason of a trial begins that the sweep itself has ended
TRIALS_FILE = "trials.json"
_WORSE = "at this point it was worse than the others, and the policy gives it up."
_TIME_UP = "the sweep's time was up."
_ENOUGH_FAILED = "too many trials came to nothing."


class Searched(Part):
    """The values that trials have for a parameter of the pipeline, an expression as in `pipelines.sweeping.space`."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A run of the sweep, as the sweep sees it."""

    made: RunMade
    metric: float | None  # its best value of the primary metric
    problem: str = ""  # why it counts as failed although its run completed

    @property
    def is_stopped(self) -> bool:
        """Whether the sweep ended it, which is no failure."""
        return self.made.status == RunStatus.CANCELLED and self.made.reason.startswith(STOPPED)

    @property
    def word(self) -> str:
        """What became of it: the status of its run, or `stopped`."""
        return "stopped" if self.is_stopped else self.made.status.value

    @property
    def is_good(self) -> bool:
        return self.made.status == RunStatus.COMPLETED and self.metric is not None

    @property
    def came_to_nothing(self) -> bool:
        return self.made.is_over and not self.is_good and not self.is_stopped


class SweepStep(StepWithRuns):
    """Runs another pipeline of the workspace once per trial, and takes what the best of them wrote.

    A trial is worth the best value that a step of it logs of the primary metric, as in Azure ML.
    """

    label: ClassVar[str] = "Sweep"
    icon: ClassVar[str] = "adjustments"
    summary: ClassVar[str] = "Runs another pipeline with many values and finds those with the best metric."
    card_field: ClassVar[str] = "pipeline"
    fixed: ClassVar[frozenset[str]] = StepWithRuns.fixed | {"search_space", "sampling", "seed"}
    runs_tab: ClassVar[str] = "trials"
    own_files: ClassVar[frozenset[str]] = frozenset({TRIALS_FILE})

    kind: Literal["sweep"] = "sweep"
    search_space: list[Searched] = Field(
        default_factory=list,
        title="Search space",
        description="A parameter of the pipeline, and what to try for it: choice(16, 32), randint(8), uniform(0, 1), "
        "quniform(0, 10, 2), loguniform(log(0.0001), log(0.1)), qloguniform, normal(0, 1), qnormal, lognormal or "
        "qlognormal, as in Azure ML.",
        json_schema_extra={"widget": "search_space"},
    )
    sampling: Literal["random", "grid", "bayesian"] = Field(
        default="random",
        title="Sampling",
        json_schema_extra={
            "choices": {
                "random": "random: each trial by itself",
                "grid": "grid: every point, which must be countable",
                "bayesian": "Bayesian: each trial learns from those before it",
            }
        },
    )
    seed: int = Field(
        default=0,
        title="Seed",
        description="The same seed gives the same values, so that unchanged trials are reused.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    primary_metric: str = Field(
        default="",
        title="Primary metric",
        description="As the trials log it: run.log(“accuracy”, value). Of several values the best one counts.",
    )
    goal: Literal["maximize", "minimize"] = Field(
        default="maximize",
        title="Goal",
        json_schema_extra={"choices": {"maximize": "maximize: more is better", "minimize": "minimize: less is better"}},
    )
    max_total_runs: int = Field(
        default=20,
        title="Trials",
        description=f"At most so many, up to {MAX_TRIALS:,}. A grid with fewer points has fewer.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    max_concurrent_runs: int = Field(
        default=4,
        title="Trials at once",
        description=f"Up to {MAX_AT_ONCE}. In Bayesian sampling, fewer at once learn more.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    max_duration_minutes: FiniteFloat | None = Field(
        default=None,
        title="Time in minutes",
        description="After that no trial begins, and those that run are stopped. Empty for no limit.",
        json_schema_extra={"widget": "number", "fed": "number"},
    )
    max_failed_percent: FiniteFloat = Field(
        default=100,
        title="Failed trials in percent",
        description="With more of all trials failed the sweep ends, and has failed. With 100 it fails only when no "
        "trial succeeds.",
        json_schema_extra={"widget": "number", "fed": "number"},
    )
    early_termination: Literal["none", "bandit", "median", "truncation"] = Field(
        default="none",
        title="Early termination",
        description="Of trials that log the metric again and again. Each value that is logged is an interval.",
        json_schema_extra={
            "choices": {
                "none": "none: every trial runs to its end",
                "bandit": "bandit: stop what is too far from the best",
                "median": "median stopping: stop what is worse than the median of averages",
                "truncation": "truncation: stop the worst share",
            }
        },
    )
    evaluation_interval: int = Field(
        default=1,
        title="Look every … intervals",
        description="Of early termination.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    delay_evaluation: int = Field(
        default=0,
        title="Not before interval",
        description="Of early termination: no trial is stopped that has logged fewer values.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    slack_factor: FiniteFloat | None = Field(
        default=None,
        title="Slack as a factor",
        description="Of the bandit policy: with 0.2 and 0.8 as the best accuracy, what is below 0.8 / 1.2 is stopped.",
        json_schema_extra={"widget": "number", "fed": "number"},
    )
    slack_amount: FiniteFloat | None = Field(
        default=None,
        title="Slack as an amount",
        description="Of the bandit policy, in its stead: with 0.2 and 0.8, what is below 0.6 is stopped.",
        json_schema_extra={"widget": "number", "fed": "number"},
    )
    truncation_percentage: FiniteFloat = Field(
        default=20,
        title="Worst share in percent",
        description="Of the truncation policy: rounded down to whole trials.",
        json_schema_extra={"widget": "number", "fed": "number"},
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (what it reads, its pipeline says)
        space = [{"name": "learning_rate", "value": "loguniform(log(0.0001), log(0.1))"}]
        return Example({"search_space": space, "primary_metric": "accuracy"})

    @property
    def own_values(self) -> set[str]:
        return {row.name for row in self.search_space if row.name}

    def place_of_own(self, name: str) -> Place:
        index = next(index for index, row in enumerate(self.search_space) if row.name == name)
        return "search_space", index, "name"

    def samples(self) -> Iterator[tuple[Place, str, Sequence[ParameterValue]]]:
        for index, row in enumerate(self.search_space):
            distribution = _read(row.value)
            if row.name and not isinstance(distribution, str) and not self._unfit(distribution):
                yield ("search_space", index, "value"), row.name, distribution.ends

    @property
    def metric_wanted(self) -> str:
        return self.primary_metric

    @property
    def wants_series(self) -> bool:
        return self.early_termination != "none"

    @property
    def space(self) -> Space:
        """Of a step without problems."""
        return {row.name: read(row.value) for row in self.search_space}

    @property
    def total(self) -> int:
        """How many trials there are to be."""
        points = points_of(self.space)
        return self.max_total_runs if points is None else min(points, self.max_total_runs)

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        yield from super().own_problems()
        yield from self._space_problems()
        if not self.primary_metric.strip():
            yield "primary_metric", "Name the metric that trials log, as in accuracy: the sweep looks for its best."
        yield from _outside("max_total_runs", self.max_total_runs, 1, MAX_TRIALS)
        yield from _outside("max_concurrent_runs", self.max_concurrent_runs, 1, MAX_AT_ONCE)
        if self.max_duration_minutes is not None and not 0 < self.max_duration_minutes <= 60 * 24 * 365:
            yield "max_duration_minutes", "Give a time above 0 and of at most a year, or leave it empty for no limit."
        if not 0 <= self.max_failed_percent <= 100:
            yield "max_failed_percent", "Give a number from 0 to 100."
        yield from self._policy_problems()

    def warnings(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        yield from super().warnings(files)
        for index, row in enumerate(self.search_space):
            distribution = _read(row.value)
            if (
                row.value.strip().startswith("loguniform")
                and isinstance(distribution, Interval)
                and distribution.low >= 1
            ):
                low, high = as_written(distribution.low), as_written(distribution.high)
                gives = f"This gives values from {low} to {high}: as in Azure ML the two numbers are logarithms."
                how = "For values from 0.001 to 0.1 write loguniform(log(0.001), log(0.1))."
                yield ("search_space", index, "value"), f"{gives} {how}"

    def _space_problems(self) -> Iterator[tuple[Place, str]]:
        if not self.search_space:
            yield "search_space", "Name a parameter of the pipeline, and what to try for it, as in choice(16, 32)."
        if len(self.search_space) > MAX_SEARCHED:
            yield "search_space", f"A search space can have {MAX_SEARCHED} parameters."
            return
        space: dict[str, Distribution] = {}
        for index, row in enumerate(self.search_space):
            if not row.name:
                yield ("search_space", index, "name"), "Name a parameter of the pipeline."
            elif row.name in {other.name for other in self.search_space[:index]}:
                yield ("search_space", index, "name"), f"“{row.name}” stands here twice. Take one of them away."
            distribution = _read(row.value)
            if isinstance(distribution, str):
                yield ("search_space", index, "value"), distribution
                continue
            space[row.name] = distribution
            if sentence := self._unfit(distribution):
                yield ("search_space", index, "value"), sentence
        points = points_of(space) if len(space) == len(self.search_space) else None
        if self.sampling == "grid" and points is not None and points > MAX_TRIALS:
            size = f"This grid has {grid_size_words(space)} points, and a sweep can have {MAX_TRIALS:,}."
            yield "search_space", f"{size} Take values away, or let the sampling be random."

    def _unfit(self, distribution: Distribution) -> str:
        """Why the sampling can't be of such values, a sentence; empty where it can."""
        if self.sampling == "grid" and distribution.count is None:
            return "A grid wants values that can be counted: use choice, randint, quniform or qloguniform."
        if self.sampling == "bayesian" and not has_prior(distribution):
            return "Bayesian sampling wants bounds: use choice, randint, (q)uniform or (q)loguniform."
        return ""

    def _policy_problems(self) -> Iterator[tuple[Place, str]]:
        if self.early_termination == "none":
            return
        if self.evaluation_interval < 1:
            yield "evaluation_interval", "Give a whole number from 1 on."
        if self.delay_evaluation < 0:
            yield "delay_evaluation", "Give 0 or a whole number above it."
        if self.early_termination == "bandit":
            if (self.slack_factor is None) == (self.slack_amount is None):
                yield "slack_factor", "The bandit policy wants a slack as a factor or as an amount: give one of them."
            if self.slack_factor is not None and self.slack_factor < 0:
                yield "slack_factor", "Give 0 or more."
            if self.slack_amount is not None and self.slack_amount < 0:
                yield "slack_amount", "Give 0 or more."
        if self.early_termination == "truncation" and not 0 < self.truncation_percentage < 100:
            yield "truncation_percentage", "Give a share above 0 and below 100."

    @property
    def most_at_once(self) -> int:
        return self.max_concurrent_runs

    def goes_on(self, made: RunMade) -> bool:
        """A trial that the sweep gave up stays given up when the run is continued."""
        return not made.reason.startswith(STOPPED)

    def trials(self, known: KnownRuns) -> list[Trial]:
        return [self._trial(made, known) for made in known.made]

    def best_of(self, trials: Sequence[Trial]) -> Trial | None:
        """The first of equal ones."""
        sign = 1 if self.goal == "maximize" else -1
        good = [trial for trial in trials if trial.is_good]
        return max(good, key=lambda trial: sign * (trial.metric or 0.0), default=None)

    def turn(self, known: KnownRuns) -> Turn:
        trials = self.trials(known)
        going = [trial for trial in trials if not trial.made.is_over]
        failed = sum(trial.came_to_nothing for trial in trials)
        why_ended = self._why_ended(known, failed)
        if why_ended:
            if going:
                stop = {trial.made.number: f"{STOPPED}{why_ended}" for trial in going}
                return Turn(stop=stop, reason=self._progress(trials))
            return Turn(ended=self._ended(trials, why_ended))
        if not going and len(trials) >= self.total:
            return Turn(ended=self._ended(trials, ""))
        hopeless = to_stop(self._policy, self._progresses(known), maximize=self.goal == "maximize") if going else []
        start = self._new(trials, min(self.max_concurrent_runs - len(going), self.total - len(trials)))
        stop = dict.fromkeys(hopeless, f"{STOPPED}{_WORSE}")
        return Turn(start=start, stop=stop, reason=self._progress(trials, begun=len(start)))

    def _why_ended(self, known: KnownRuns, failed: int) -> str:
        """Why no further trial begins, a sentence; empty where one may."""
        minutes = self.max_duration_minutes
        if minutes is not None and (known.at - known.since).total_seconds() >= 60 * minutes:
            return _TIME_UP
        return _ENOUGH_FAILED if 100 * failed > self.max_failed_percent * self.total else ""

    def _trial(self, made: RunMade, known: KnownRuns) -> Trial:
        measured = known.metrics.get(made.number)
        metric = None
        if measured is not None:
            metric = measured.high if self.goal == "maximize" else measured.low
        problem = ""
        if made.status == RunStatus.COMPLETED and metric is None:
            none = f"It logged no “{self.primary_metric}”."
            problem = none if measured is None else f"Its “{self.primary_metric}” was never a finite number."
        return Trial(made=made, metric=metric, problem=problem)

    def _new(self, trials: Sequence[Trial], count: int) -> list[NewRun]:
        new: list[NewRun] = []
        had = {trial.made.number for trial in trials}
        left = (number for number in range(1, self.total + 1) if number not in had)
        for number in islice(left, max(0, count)):
            values = self._values(trials, new, number)
            new.append(NewRun(number=number, label=_label_of(values), values=values))
        return new

    def _values(self, trials: Sequence[Trial], new: Sequence[NewRun], number: int) -> dict[str, ParameterValue]:
        if self.sampling == "grid":
            return grid_point(self.space, number)
        if self.sampling == "random":
            return random_point(self.space, number, seed=self.seed)
        # A trial that failed says nothing of its values.
        told = [
            Told(values=trial.made.values, metric=trial.metric if trial.made.is_over else None)
            for trial in trials
            if not trial.made.is_over or (trial.metric is not None and not trial.came_to_nothing)
        ]
        told += [Told(values=each.values) for each in new]
        return suggested_point(self.space, number, seed=self.seed, told=told, maximize=self.goal == "maximize")

    @property
    def _policy(self) -> Policy:
        when: Any = {"evaluation_interval": self.evaluation_interval, "delay_evaluation": self.delay_evaluation}
        match self.early_termination:
            case "bandit":
                return Bandit(slack_factor=self.slack_factor, slack_amount=self.slack_amount, **when)
            case "median":
                return MedianStopping(**when)
            case "truncation":
                return Truncation(percentage=self.truncation_percentage, **when)
        return Policy()

    def _progresses(self, known: KnownRuns) -> list[Progress]:
        return [
            Progress(number=made.number, values=known.metrics[made.number].values, runs=not made.is_over)
            for made in known.made
            if made.number in known.metrics
        ]

    def _progress(self, trials: Sequence[Trial], *, begun: int = 0) -> str:
        over = sum(trial.made.is_over for trial in trials)
        words = f"{over:,} of {self.total:,} trials are over, {len(trials) - over + begun:,} under way."
        best = self.best_of(trials)
        return f"{words} Best so far: {self._named(best)}." if best else words

    def _named(self, trial: Trial) -> str:
        metric = as_written(trial.metric or 0.0)
        return f"trial {trial.made.number} with {self.primary_metric} {metric} ({trial.made.label})"

    def _ended(self, trials: Sequence[Trial], why: str) -> Ended:
        failed = [trial for trial in trials if trial.came_to_nothing]
        stopped = sum(trial.is_stopped for trial in trials)
        said = [f"{stopped:,} stopped early"] if stopped else []
        said += [f"{len(failed):,} failed"] if failed else []
        which = f" ({', '.join(said)})" if said else ""
        counted = f"{len(trials):,} trial{'' if len(trials) == 1 else 's'}{which}"
        ended_by = f" It ended before its time: {why}" if why else ""
        best = self.best_of(trials)
        if best is None or why == _ENOUGH_FAILED:
            first = f" Trial {failed[0].made.number}: {_why_failed(failed[0])}" if failed else ""
            if why == _ENOUGH_FAILED:
                share = f"more than {self.max_failed_percent:g} %"
                words = f"{len(failed):,} of {self.total:,} trials failed, {share}.{first}"
            else:
                words = f"No trial gave a result, of {counted}.{first}{ended_by}"
            return Ended(status=StepStatus.FAILED, reason=words)
        return Ended(
            status=StepStatus.COMPLETED,
            reason=f"The best of {counted}: {self._named(best)}.{ended_by}",
            outputs_of=best.made.number,
            values={
                "best trial": str(best.made.number),
                "best run": str(best.made.run_id),
                self.primary_metric: repr(best.metric),
                **{name: as_written(value) for name, value in self.values_of(best).items()},
            },
            files={TRIALS_FILE: self._told(trials)},
        )

    def values_of(self, trial: Trial) -> dict[str, ParameterValue]:
        """Of the parameters that it searches, as the trial's run has them."""
        return {name: trial.made.values[name] for name in self.searched if name in trial.made.values}

    def _told(self, trials: Sequence[Trial]) -> dict[str, Any]:
        """What a later step can read of the trials. No numbers of runs: what came to the same is the same file."""
        best = self.best_of(trials)
        return {
            "primary_metric": self.primary_metric,
            "goal": self.goal,
            "best": self._told_of(best) if best else None,
            "trials": [self._told_of(trial) for trial in trials],
        }

    def _told_of(self, trial: Trial) -> dict[str, Any]:
        return {
            "number": trial.made.number,
            "status": trial.word,
            "values": self.values_of(trial),
            "metric": trial.metric,
        }

    @property
    def searched(self) -> list[str]:
        """The parameters of the search space, in its order."""
        return [row.name for row in self.search_space]


def _label_of(values: Mapping[str, ParameterValue]) -> str:
    """As in `rate=0.01, batch=32`."""
    words = ", ".join(f"{name}={as_written(value)}" for name, value in values.items())
    return words if len(words) <= _LABEL else f"{words[: _LABEL - 1]}…"


def _read(text: str) -> Distribution | str:
    """The sentence where it is none."""
    try:
        return read(text)
    except ExpressionError as error:
        return str(error)


def _outside(name: str, value: int, low: int, high: int) -> Iterator[tuple[Place, str]]:
    if not low <= value <= high:
        yield name, f"Give a whole number from {low} to {high:,}."


def _why_failed(trial: Trial) -> str:
    return trial.problem or trial.made.reason or "it came to nothing."
