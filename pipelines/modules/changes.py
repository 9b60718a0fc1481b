"""What a version of a module changes in the ports of the one before, and whether steps have to follow. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.modules.definition import ModuleDefinition, ModuleInput, ModuleOutput
from pipelines.parts import Parameter


@dataclass(frozen=True, slots=True)
class PortChange:
    """`words` is a sentence. It `breaks` where a step that moves to the new version may have to be changed."""

    words: str
    breaks: bool


def port_changes(old: ModuleDefinition, new: ModuleDefinition) -> list[PortChange]:
    """Those that break steps first."""
    found = [
        *_inputs({port.name: port for port in old.inputs}, {port.name: port for port in new.inputs}),
        *_outputs({port.name: port for port in old.outputs}, {port.name: port for port in new.outputs}),
        *_parameters({each.name: each for each in old.parameters}, {each.name: each for each in new.parameters}),
    ]
    return sorted(found, key=lambda change: not change.breaks)


def breaking(changes: Sequence[PortChange]) -> list[PortChange]:
    return [change for change in changes if change.breaks]


def _inputs(old: Mapping[str, ModuleInput], new: Mapping[str, ModuleInput]) -> Iterator[PortChange]:
    yield from _gone("input", old, new)
    for name, port in new.items():
        before = old.get(name)
        if before is None:
            how = "may be left out" if port.optional else "must be bound"
            yield PortChange(f"Input “{name}” is new and {how}.", breaks=not port.optional)
            continue
        if before.type != port.type:
            words = f"Input “{name}” wants {port.type_words} instead of {before.type_words}."
            yield PortChange(words, breaks=port.type != "any")
        if before.optional != port.optional:
            now = "may be left out now" if port.optional else "must be bound now"
            yield PortChange(f"Input “{name}” {now}.", breaks=before.optional)


def _outputs(old: Mapping[str, ModuleOutput], new: Mapping[str, ModuleOutput]) -> Iterator[PortChange]:
    yield from _gone("output", old, new)
    for name, port in new.items():
        before = old.get(name)
        if before is None:
            yield PortChange(f"Output “{name}” is new.", breaks=False)
        elif before.file != port.file:
            now = f"is the file “{port.file}” now" if port.file else "is a folder now"
            yield PortChange(f"Output “{name}” {now}.", breaks=True)
        elif before.required != port.required:
            now = "must be written now" if port.required else "may stay empty now"
            yield PortChange(f"Output “{name}” {now}.", breaks=False)


def _parameters(old: Mapping[str, Parameter], new: Mapping[str, Parameter]) -> Iterator[PortChange]:
    yield from _gone("parameter", old, new)
    for name, each in new.items():
        before = old.get(name)
        must = each.default is None and not each.optional
        if before is None:
            how = "must be given" if must else "may be left out"
            yield PortChange(f"Parameter “{name}” is new and {how}.", breaks=must)
            continue
        if before.type != each.type:
            yield PortChange(f"Parameter “{name}” is of the type {each.type_word} now.", breaks=True)
        if must and not (before.default is None and not before.optional):
            yield PortChange(f"Parameter “{name}” must be given now.", breaks=True)
        elif before.default != each.default:
            now = "has no default now" if each.default is None else f"is {each.default} by default now"
            yield PortChange(f"Parameter “{name}” {now}.", breaks=False)
        if _narrower(before, each):
            yield PortChange(f"Parameter “{name}” takes fewer values now.", breaks=True)


def _narrower(old: Parameter, new: Parameter) -> bool:
    if old.type != new.type:
        return False
    if new.minimum is not None and (old.minimum is None or new.minimum > old.minimum):
        return True
    if new.maximum is not None and (old.maximum is None or new.maximum < old.maximum):
        return True
    return not set(old.choices) <= set(new.choices)


def _gone(what: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[PortChange]:
    yield from (PortChange(f"The {what} “{name}” is gone.", breaks=True) for name in old if name not in new)
