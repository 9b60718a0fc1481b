"""Pipelines of small scripts, submitted for a test that watches them."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.studio import Person, Place, Studio


@dataclass(frozen=True)
class Script:
    """A step of one file. `after` names the steps whose output `out` it reads as inputs `in0`, `in1`, …"""

    name: str
    code: str
    after: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("out",)
    more: dict[str, Any] = field(default_factory=dict)


def submit(studio: Studio, place: Place, *scripts: Script, name: str = "watched", person: Person | None = None) -> int:
    """Make a pipeline of `scripts`, submit it, and give the run's number."""
    api = studio.api(person or place.contributor)
    base = f"/api/workspaces/{place.slug}"
    steps = []
    for script in scripts:
        source = api.post(f"{base}/sources/edit/", {"put": [{"path": "main.py", "text": script.code}]})
        inputs = [
            {"name": f"in{number}", "binding": {"kind": "output", "step": step, "output": "out"}}
            for number, step in enumerate(script.after)
        ]
        given = [f"${{{{inputs.{entry['name']}}}}}" for entry in inputs]
        given += [f"${{{{outputs.{output}}}}}" for output in script.outputs]
        steps.append(
            {
                "name": script.name,
                "source": source["digest"],
                "entry": "main.py",
                "arguments": " ".join(given),
                "inputs": inputs,
                "outputs": [{"name": output} for output in script.outputs],
                **script.more,
            }
        )
    pipeline = api.post(f"{base}/pipelines/", {"name": name, "description": ""})
    api.post(f"{base}/pipelines/{pipeline['id']}/versions/", {"definition": {"steps": steps}, "base_version": 0})
    run: int = api.post(f"{base}/pipelines/{pipeline['id']}/runs/", {"parameters": {}})["id"]
    return run


def address(place: Place, run: int, query: str = "") -> str:
    return f"/w/{place.slug}/runs/{run}/{query}"


def gate(path: object) -> str:
    """Code that waits until the file `path` is there: a test decides when a step goes on."""
    return f"import pathlib, time\nwhile not pathlib.Path({str(path)!r}).exists(): time.sleep(0.02)\n"
