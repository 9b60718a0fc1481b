"""What stands on a datastore. Rooms above register what they know, as `pipelines` does with its runs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.urls import reverse

from datastores import queries
from datastores.models import Datastore

NAMED = 20
COUNTED = 1000  # nobody needs to know how many more


@dataclass(frozen=True, slots=True)
class Use:
    """Something that reads from a datastore, or wrote to it."""

    kind: str  # "dataset", "model", "run"
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Found:
    """The uses of one kind: the first ones by name, and how many there are in all, up to COUNTED and one more."""

    kind: str
    named: list[Use]
    count: int

    @property
    def words(self) -> str:
        """As in `3 datasets`, `1 run`, `more than 1,000 runs`."""
        if self.count > COUNTED:
            return f"more than {COUNTED:,} {self.kind}s"
        return f"{self.count:,} {self.kind}{'' if self.count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Uses:
    """All that stands on a datastore; false where nothing does."""

    found: list[Found] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(each.count for each in self.found)

    @property
    def named(self) -> list[Use]:
        return [use for each in self.found for use in each.named]

    @property
    def words(self) -> str:
        """As in `2 datasets and more than 1,000 runs`, or `1 dataset, 1 model and 1 run`."""
        words = [each.words for each in self.found if each.count]
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


Finder = Callable[[Datastore], Found]
_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """Ask `finder` too, whenever somebody wants to know what stands on a datastore."""
    if finder not in _finders:
        _finders.append(finder)


def uses_of(datastore: Datastore) -> Uses:
    return Uses([finder(datastore) for finder in (_datasets, *_finders)])


def _datasets(datastore: Datastore) -> Found:
    datasets = queries.datasets_using(datastore)
    slug = datastore.workspace.slug
    named = [
        Use("dataset", dataset.name, reverse("datasets:detail", args=[slug, dataset.pk]))
        for dataset in datasets[:NAMED]
    ]
    count = len(named) if len(named) < NAMED else len(datasets.values_list("pk")[: COUNTED + 1])
    return Found("dataset", named, count)
