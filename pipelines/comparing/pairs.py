"""The steps of two runs, matched by name: which came and went, what differs of the others, how they ended. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pipelines.comparing.documents import SAME, Row, document_differences, parsed
from pipelines.fingerprints import Difference, differences
from pipelines.models import Ingredients
from pipelines.parts import OutputBinding
from pipelines.run_page import seconds_between
from studio.workspaces.templatetags.studio import duration

PairKind = Literal["added", "removed", "both"]


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What is read of a step of a run to compare it: no more than a row, for there may be many."""

    name: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    ingredients: Ingredients | None
    document: Mapping[str, Any]  # `frozen.step`
    outputs: Mapping[str, Mapping[str, Any]] | None  # records by name
    reused_from: int | None  # a run

    @property
    def shown_status(self) -> str:
        return "reused" if self.reused_from else self.status

    @property
    def worked_s(self) -> float | None:
        """None for one that did not run, or is not over."""
        if self.reused_from or self.finished_at is None:
            return None
        return seconds_between(self.started_at, self.finished_at, self.finished_at)


@dataclass(frozen=True, slots=True)
class StepPair:
    """A step of both runs, or of one alone."""

    name: str
    kind: PairKind
    before: StepFacts | None
    after: StepFacts | None
    causes: list[Difference] = field(default_factory=list)  # what somebody changed
    follows: list[Difference] = field(default_factory=list)  # data of steps before that came out otherwise
    graph: list[Row] = field(default_factory=list)
    settings: list[Row] = field(default_factory=list)
    other_outputs: list[str] = field(default_factory=list)  # names of those that hold something else

    @property
    def ended_otherwise(self) -> bool:
        return bool(self.before and self.after and self.before.status != self.after.status)

    @property
    def differs(self) -> bool:
        """Durations aside, for they always do."""
        changed = self.causes or self.follows or self.graph or self.settings or self.other_outputs
        return self.kind != "both" or self.ended_otherwise or bool(changed)

    @property
    def delta_s(self) -> float | None:
        if self.before is None or self.after is None:
            return None
        then, now = self.before.worked_s, self.after.worked_s
        return None if then is None or now is None else now - then

    @property
    def delta_words(self) -> str:
        """`+12 s`; empty where nobody can tell, and where nobody would notice."""
        delta = self.delta_s
        if delta is None or duration(abs(delta)) == duration(0):
            return ""
        return f"{'+' if delta > 0 else '−'}{duration(abs(delta))}"

    @property
    def tags(self) -> list[tuple[str, str]]:
        """What differs, each with a tone: what somebody changed stands out."""
        if self.kind != "both":
            return [(self.kind, self.kind)]
        found = [("graph", "changed")] if self.graph else []
        found += [(_tag(each), "changed") for each in self.causes]
        found += [("settings", "changed")] if self.settings else []
        found += [(f"data of {each.name}", "follows") for each in self.follows]
        if self.other_outputs:
            found.append(("other results", "follows"))
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "differs": self.differs,
            "changed": [each.words for each in self.causes],
            "follows": [each.words for each in self.follows],
            "graph": [row.as_json() for row in self.graph],
            "settings": [row.as_json() for row in self.settings],
            "other_outputs": self.other_outputs,
            "left": _facts_json(self.before),
            "right": _facts_json(self.after),
        }


def paired(before: Iterable[StepFacts], after: Iterable[StepFacts]) -> list[StepPair]:
    """In the order of the right run; what only the left one has comes after the step that it followed there."""
    old, new = {step.name: step for step in before}, {step.name: step for step in after}
    return [_pair(name, old.get(name), new.get(name)) for name in _merged(list(old), list(new))]


def _merged(old: list[str], new: list[str]) -> list[str]:
    """Both orders in one."""
    kept = set(new)
    gone: dict[str, list[str]] = {}
    last = ""
    for name in old:
        if name in kept:
            last = name
        else:
            gone.setdefault(last, []).append(name)
    found = list(gone.get("", []))
    for name in new:
        found += [name, *gone.get(name, [])]
    return found


def _pair(name: str, before: StepFacts | None, after: StepFacts | None) -> StepPair:
    if before is None or after is None:
        return StepPair(name, "removed" if after is None else "added", before, after)
    documents = SAME
    if before.document != after.document:
        documents = document_differences(parsed(before.document), parsed(after.document))
    if before.ingredients and after.ingredients:
        different = differences(after.ingredients, before.ingredients)
    else:
        different = documents.ingredients
    brought = _brought(before.document) & _brought(after.document)
    follows = [each for each in different if each.kind == "input" and each.name in brought]
    return StepPair(
        name,
        "both",
        before,
        after,
        causes=[each for each in different if each not in follows],
        follows=follows,
        graph=documents.graph,
        settings=documents.settings,
        other_outputs=_other_outputs(before, after),
    )


def _brought(document: Mapping[str, Any]) -> set[str]:
    """The inputs that another step fills."""
    kind = OutputBinding.model_fields["kind"].default
    inputs = document.get("inputs") or []
    return {each["name"] for each in inputs if (each.get("binding") or {}).get("kind") == kind}


def _other_outputs(before: StepFacts, after: StepFacts) -> list[str]:
    """The outputs that both wrote and that hold something else."""
    old, new = before.outputs or {}, after.outputs or {}
    return [name for name in new if name in old and new[name]["fingerprint"] != old[name]["fingerprint"]]


def _tag(difference: Difference) -> str:
    if difference.kind == "variable":
        return difference.name
    return f"input {difference.name}" if difference.kind == "input" else difference.kind


def _facts_json(facts: StepFacts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    return {"status": facts.status, "reused_from": facts.reused_from, "worked_s": facts.worked_s}
