"""Whatever pipeline is written as YAML comes back equal, by way of any loader of YAML."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from pipelines.definition import PipelineDefinition
from pipelines.kinds import KINDS
from pipelines.parts import Parameter
from pipelines.validation import parse_definition
from pipelines.yaml.document import read_written
from pipelines.yaml.located import read_located
from pipelines.yaml.writing import written
from studio.lib.problems import UserError

_AWKWARD = ["", " ", "yes", "null", "~", "1e3", "0o17", "1_000", "- a", "a: b", "# no", "'", '"', "${{parameters.a}}"]
_AWKWARD += [
    "\n",
    "\n\n a\n",
    "a\n b\n\n",
    " a\nb ",
    "\ta\n",
    "a\r\nb",
    "\x85",
    "\u2028x\n",
    "\ufeff",
    "🐍\n",
    "<<",
    "=",
    "!x",
]
_AWKWARD += [
    "&a",
    "*a",
    "%",
    "@",
    "`",
    "---",
    "...\n",
    "\n...\n",
    "2026-01-01",
    "[a",
    "{",
    "a,b",
    "\x07",
    "0x1F",
    "08",
    "+1",
    ".5",
]
TEXTS = st.one_of(
    st.sampled_from(_AWKWARD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.text("ab #:-'\"\n\t ", max_size=12),
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(-(10**20), 10**20) | st.integers(0, 9),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Plain values for a field of this type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return values_of(get_args(annotation)[0])
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin in {Union, types.UnionType}:
        return st.one_of(*map(values_of, get_args(annotation)))
    if origin in {list, tuple, set, frozenset}:
        return st.lists(values_of(get_args(annotation)[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXTS, values_of(get_args(annotation)[1]), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return objects_of(annotation)
    return SIMPLE[annotation]


def objects_of(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    needed = {name: values_of(field.annotation) for name, field in model.model_fields.items() if field.is_required()}
    others = {name: values_of(field.annotation) for name, field in model.model_fields.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=others)


def steps_of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    own = [path for path in KINDS[kind].feedable() if "." not in path]
    fed = st.fixed_dictionaries({}, optional=dict.fromkeys(own, st.just("${{parameters.a}}")))
    made = objects_of(KINDS[kind]).map(lambda step: step | {"kind": kind})
    return st.builds(lambda step, more: step | more, made, fed)


def came_back(definition: PipelineDefinition, name: str = "A", description: str = "") -> PipelineDefinition:
    text = written(name, description, definition)
    assert yaml.safe_load(text)["format"], "any loader reads it"
    back = read_written(read_located(text.encode(), "pipeline.yml"), lambda path: path)
    assert (back.name, back.description) == (name, description)
    return back.definition


def same(one: PipelineDefinition, other: PipelineDefinition) -> bool:
    """Values of other types are others, and so is what feeds a setting."""
    return one == other and repr(one.model_dump(mode="json")) == repr(other.model_dump(mode="json"))


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_steps_of_every_kind_come_back_equal(kind: str, data: st.DataObject) -> None:
    plain = {"steps": data.draw(st.lists(steps_of(kind), min_size=1, max_size=2))}
    try:
        definition = parse_definition(plain)
    except UserError:
        assume(False)  # a shape that is refused wherever it comes from
    assert same(came_back(definition), definition)


@settings(max_examples=60, deadline=None)
@given(parameters=st.lists(objects_of(Parameter), max_size=4), goes_on=st.booleans(), name=TEXTS, description=TEXTS)
def test_parameters_name_and_description_come_back_equal(
    parameters: list[dict[str, Any]], goes_on: bool, name: str, description: str
) -> None:
    definition = parse_definition({"parameters": parameters, "continue_on_step_failure": goes_on})
    assert same(came_back(definition, name, description), definition)


def test_what_is_written_is_what_people_would_write() -> None:
    step = {
        "name": "train",
        "kind": "command",
        "command": "python train.py \\\n  --in ${{inputs.images}}\n",
        "inputs": [{"name": "images", "binding": {"kind": "output", "step": "prepare", "output": "table"}}],
        "outputs": [{"name": "model", "register_as": {"dataset": "models"}}],
        "compute": "${{parameters.where}}",
    }
    parameters = [{"name": "where", "default": "local"}]
    text = written("Digits", "", parse_definition({"parameters": parameters, "steps": [step]}))
    assert text.partition("parameters:")[2] == (
        "\n- name: where\n  type: string\n  default: local\n"
        "\n# Whether what does not depend on a failed step goes on.\ncontinue_on_step_failure: true\n"
        "\nsteps:\n# Command, after prepare\n- name: train\n  kind: command\n"
        "  command: |\n    python train.py \\\n      --in ${{inputs.images}}\n"
        "  inputs:\n  - name: images\n    binding: {kind: output, step: prepare, output: table}\n"
        "  outputs:\n  - name: model\n    register_as: {dataset: models}\n"
        "  environment: python\n  compute: ${{parameters.where}}\n"
    )


def test_a_change_of_one_setting_is_a_change_of_one_line() -> None:
    steps = [{"name": f"s{number}", "kind": "command", "command": "true"} for number in range(3)]
    before = written("A", "", parse_definition({"steps": steps})).splitlines()
    steps[1]["timeout_s"] = 5  # type: ignore[assignment]
    after = written("A", "", parse_definition({"steps": steps})).splitlines()
    assert [line for line in after if line not in before] == ["  timeout_s: 5.0"]
    assert len(after) == len(before) + 1
