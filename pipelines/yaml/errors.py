"""What is wrong with a file, and what must be said before it can be read."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.lib.problems import Problem, UserError

Sort = str  # image, environment or compute


@dataclass(frozen=True, slots=True)
class Need:
    """A name of the file that stands for nothing here until somebody says what it means."""

    sort: Sort
    name: str

    def as_json(self) -> dict[str, str]:
        return {"sort": self.sort, "name": self.name}


class FileError(UserError):
    """The file says what can't be. All that is wrong with it is told at once, each at `(file, line, column)`."""

    def __init__(self, problems: Sequence[Problem], needs: Sequence[Need] = ()) -> None:
        super().__init__(problems)
        self.needs = list(dict.fromkeys(needs))
