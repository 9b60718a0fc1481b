"""A pipeline as a text that people read, compare line by line, and get back equal. Pure.

What is as usual is left out, but for what a reader looks for first. Steps, parameters, inputs and outputs stand in
their order; a text of several lines stands as such; what is short stands on one line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from pipelines.definition import Input, Output, Parameter, PipelineDefinition, Step
from pipelines.kinds import KINDS
from pipelines.kinds.interface import StepBase, own_fields
from pipelines.yaml.document import FORMAT

_WIDE = 100  # characters of what may stand on one line
_NOTHING: Mapping[str, Any] = {"version": None, "stage": None}  # of a binding
_NO_WORDS: Mapping[str, Any] = {"description": "", "tags": {}}  # of a registration
_LAST = ("git",)  # of a step, what nobody writes by hand
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_STR, _MAP, _SEQ = (f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))
_LIKE_NUMBERS = re.compile(r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0[ox][0-9a-fA-F]+)$")
_HEAD = """\
# A pipeline of Pipeline Studio. “Import” on its page of pipelines reads this file, and so does its API.
# What is not said is as usual. ${{parameters.NAME}} stands for a parameter, ${{inputs.NAME}} and ${{outputs.NAME}} for
# the paths of a step's inputs and outputs, and $[[ … ]] goes where something optional in it is absent.
"""


class _Line(dict[str, Any]):
    """A mapping on one line."""


class _Row(list[Any]):
    """A list on one line."""


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Puts into quotes whatever any YAML could take for a number."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (every value is written out)
        return True


def _text_node(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar(_STR, text, style=None if "\n" not in text else "|" if _is_block(text) else '"')


def _is_block(text: str) -> bool:
    """Whether it can stand line by line: not where its blanks at the ends, or what can't be seen, would matter."""
    lines = text.removesuffix("\n").split("\n")
    ends = lines[0][:1].isspace() or not lines[0] or not lines[-1]
    return not ends and all(line.replace("\t", " ").isprintable() and line == line.rstrip() for line in lines)


def _line_node(dumper: Any, line: _Line) -> Any:
    return dumper.represent_mapping(_MAP, line, flow_style=True)


def _row_node(dumper: Any, row: _Row) -> Any:
    return dumper.represent_sequence(_SEQ, row, flow_style=True)


_Dumper.add_representer(str, _text_node)
_Dumper.add_representer(_Line, _line_node)
_Dumper.add_representer(_Row, _row_node)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _LIKE_NUMBERS, list("-+.0123456789"))


def written(
    name: str, description: str, definition: PipelineDefinition, *, folders: Mapping[str, str] | None = None
) -> str:
    """The file. `folders` has, by digest, the path of the sources that go with it; the others keep their digest."""
    return "".join(_pieces(name, description, definition, folders or {}))


def _pieces(name: str, description: str, definition: PipelineDefinition, folders: Mapping[str, str]) -> Iterator[str]:
    yield _HEAD
    yield _dumped({"format": FORMAT, "name": name, **({"description": description} if description else {})})
    if definition.schema_version != 1:
        yield _dumped({"schema_version": definition.schema_version})
    if definition.parameters:
        yield "\n# Values that a run is submitted with.\nparameters:\n"
        for parameter in definition.parameters:
            yield _dumped([_less(parameter.model_dump(mode="json"), _usual_parameter(), keep=("name", "type"))])
    yield "\n# Whether what does not depend on a failed step goes on.\n"
    yield _dumped({"continue_on_step_failure": definition.continue_on_step_failure})
    if not definition.steps:
        yield "\nsteps: []\n"
        return
    yield "\nsteps:\n"
    usual = {kind: _usual_step(each) for kind, each in KINDS.items()}
    for index, step in enumerate(definition.steps):
        yield f"{'' if index == 0 else chr(10)}# {_comment(step)}\n"
        yield _dumped([_step(step, usual[step.kind], folders)])


def _comment(step: Step) -> str:
    """What it is, and what it waits for: in one line, whatever its texts hold."""
    names = [each.binding.step for each in step.inputs if each.binding is not None and each.binding.kind == "output"]
    names += step.run_after
    names += [step.only_if.step] if step.only_if else []
    after = f", after {', '.join(dict.fromkeys(names))}" if names else ""
    return "".join(each if each.isprintable() else " " for each in f"{step.label}{after}")


def _step(step: Step, usual: Mapping[str, Any], folders: Mapping[str, str]) -> dict[str, Any]:
    plain = step.model_dump(mode="json")
    keep = ["name", "kind"]
    if step.has_job and not step.works and not step.is_module:
        keep += ["environment", "compute"]
    less = _less(plain, usual, keep=keep)
    if "inputs" in less:
        less["inputs"] = [_port(each, _usual_input(), "binding", _NOTHING) for each in less["inputs"]]
    if "outputs" in less:
        less["outputs"] = [_port(each, _usual_output(), "register_as", _NO_WORDS) for each in less["outputs"]]
    if step.source:
        less["source"] = folders.get(step.source, step.source)
    if step.git is not None and step.git.diff:
        less["git"]["diff"] = folders.get(step.git.diff, step.git.diff)
    own = own_fields(type(step))
    first = ["name", "kind", "description", *own, "source", "inputs", "outputs", "run_after", "only_if"]
    order = {field: place for place, field in enumerate(dict.fromkeys(first))}
    return dict(sorted(less.items(), key=lambda item: (item[0] in _LAST, order.get(item[0], len(order)))))


def _port(plain: Mapping[str, Any], usual: Mapping[str, Any], part: str, empty: Mapping[str, Any]) -> dict[str, Any]:
    """An input or an output, `part` of it without what is `empty` there."""
    less = _less(plain, usual, keep=("name",))
    if part in less:
        less[part] = _without(less[part], empty)
    return less


def _less(plain: Mapping[str, Any], usual: Mapping[str, Any], *, keep: Sequence[str]) -> dict[str, Any]:
    """Without what is as usual, in groups of settings as well."""
    less: dict[str, Any] = {}
    for name, value in plain.items():
        if name not in keep and _same(value, usual.get(name)):
            continue
        group = usual.get(name)
        less[name] = _without(value, group) if isinstance(value, dict) and isinstance(group, dict) else value
    return dict(sorted(less.items(), key=lambda item: keep.index(item[0]) if item[0] in keep else len(keep)))


def _without(value: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if not _same(each, usual.get(name, ...))}


def _same(one: Any, other: Any) -> bool:
    """`1`, `1.0` and `true` are three values, however deep they stand, and `-0.0` is another one than `0.0`."""
    return repr(one) == repr(other)


def _usual_step(kind: type[StepBase]) -> dict[str, Any]:
    return kind.model_validate({"name": "", "kind": kind.model_fields["kind"].default}).model_dump(mode="json")


def _usual_parameter() -> dict[str, Any]:
    return Parameter(name="").model_dump(mode="json")


def _usual_input() -> dict[str, Any]:
    return Input(name="").model_dump(mode="json")


def _usual_output() -> dict[str, Any]:
    return Output(name="").model_dump(mode="json")


def _dumped(value: Any) -> str:
    text: str = yaml.dump(
        _laid_out(value, top=True),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=10**6,
    )
    return text


def _laid_out(value: Any, *, top: bool = False) -> Any:
    """With what is short and plain on one line."""
    if isinstance(value, dict):
        short = not top and bool(value) and _is_short(value.values(), sum(map(len, value)) + 4 * len(value))
        return _Line(value) if short else {name: _laid_out(each) for name, each in value.items()}
    if isinstance(value, list):
        if not top and _is_short(value, 2 * len(value)):
            return _Row(value)
        return [_laid_out(each, top=top) for each in value]
    return value


def _is_short(values: Any, room: int) -> bool:
    """`room` is what their names take."""
    for each in values:
        if isinstance(each, (dict, list)) and each:
            return False
        if isinstance(each, str) and "\n" in each:
            return False
        room += len(str(each))
    return room <= _WIDE
