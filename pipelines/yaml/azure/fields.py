"""An object of a file, taken apart field by field: what is misshapen or nobody asked for is told with its place."""

from collections.abc import Iterator, Sequence

from pipelines.yaml.located import Located, Spot
from studio.lib.misshapen import no_such_field
from studio.lib.problems import Problem

Scalar = str | int | float | bool


class Fields:
    """One object. `done` is called when all that can have a meaning was taken."""

    def __init__(self, located: Located, problems: list[Problem]) -> None:
        self.located, self.problems = located, problems
        self.spot = located.spot
        self._asked: set[str] = set()
        self._values: dict[str, Located] = {}
        if isinstance(located.value, dict):
            self._values = located.value
        elif located.value is not None:
            problems.append(located.spot.says("This must be an object: names with their values below it."))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def spot_of(self, name: str) -> Spot:
        return self.located.keys.get(name, self.spot)

    def problem(self, name: str, sentence: str) -> None:
        self.problems.append(self.spot_of(name).says(sentence))

    def take(self, name: str) -> Located | None:
        """Whatever it is; None where it is not there, or null."""
        self._asked.add(name)
        found = self._values.get(name)
        return None if found is None or found.value is None else found

    def scalar(self, name: str) -> Scalar | None:
        found = self.take(name)
        if found is None or isinstance(found.value, (str, int, float, bool)):
            return found.value if found else None  # type: ignore[return-value]
        self.problem(name, f"“{name}” must be a single value.")
        return None

    def text(self, name: str) -> str:
        """Numbers may be written without quotes; "" where there is none."""
        found = self.scalar(name)
        if isinstance(found, bool):
            return "true" if found else "false"
        return "" if found is None else str(found)

    def flag(self, name: str) -> bool | None:
        found = self.scalar(name)
        if found is None or isinstance(found, bool):
            return found
        self.problem(name, f"“{name}” must be true or false.")
        return None

    def number(self, name: str) -> int | float | None:
        found = self.scalar(name)
        if isinstance(found, str) and found.strip():
            try:
                return int(found)
            except ValueError:
                pass
        if found is None or (isinstance(found, (int, float)) and not isinstance(found, bool)):
            return found
        self.problem(name, f"“{name}” must be a number.")
        return None

    def whole(self, name: str) -> int | None:
        found = self.number(name)
        if found is None or isinstance(found, int):
            return found
        self.problem(name, f"“{name}” must be a whole number.")
        return None

    def objects(self, name: str) -> Iterator[tuple[str, Spot, Located]]:
        """The members of an object, each with the place of its name."""
        found = self.take(name)
        if found is None:
            return
        if not isinstance(found.value, dict):
            self.problem(name, f"“{name}” must be an object: names with their values below it.")
            return
        for key, each in found.value.items():
            yield key, found.keys[key], each

    def fields(self, name: str) -> "Fields":
        """Of an object that may not be there."""
        found = self.take(name)
        return Fields(found or Located(self.spot_of(name), None), self.problems)

    def one_of(self, name: str, choices: Sequence[str], usual: str) -> str:
        found = self.text(name).strip()
        if not found or found.lower() in choices:
            return found.lower() or usual
        self.problem(name, f"“{found}” is none of these: {', '.join(choices)}.")
        return usual

    def pass_over(self, *names: str) -> list[str]:
        """Those of these that are there, and have no meaning in this studio."""
        self._asked.update(names)
        return [name for name in names if name in self._values and self._values[name].value is not None]

    def done(self) -> None:
        for name in self._values:
            if name not in self._asked:
                self.problem(name, no_such_field(name, self._asked))
