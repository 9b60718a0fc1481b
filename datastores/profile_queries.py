"""What the pages and the API read of profiles and of two versions side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import Http404

from datastores.comparing import ColumnPair, Overlaid, overlaid, paired
from datastores.models import DatasetVersion, Profile, ProfileResult
from datastores.pages.profile_figures import bars, extreme_text, number_text, spark, value_text
from datastores.services.profiles import UNDER_WAY
from datastores.sources import Column, TabularDefinition
from datastores.states import WorkStatus
from datastores.tabular.column_profiles import ColumnProfile
from datastores.tabular.transformations import checked
from studio.lib.problems import UserError
from studio.workspaces.models import Workspace

COLUMNS_A_PAGE = 50
VERSIONS_OFFERED = 300


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column of a profile, in words."""

    position: int
    column: ColumnProfile
    spark: str

    @property
    def missing_percent(self) -> float:
        return 100 * self.column.missing / self.column.count if self.column.count else 0.0

    @property
    def missing_text(self) -> str:
        return percent_text(self.missing_percent)

    @property
    def distinct_text(self) -> str:
        about = "" if self.column.distinct_is_exact else "about "
        return f"{about}{self.column.distinct:,}"

    @property
    def minimum(self) -> str:
        return extreme_text(self.column.minimum, self.column.type)

    @property
    def maximum(self) -> str:
        return extreme_text(self.column.maximum, self.column.type)

    @property
    def mean(self) -> str:
        return value_text(self.column.mean, self.column.type)

    @property
    def middle(self) -> str:
        """What stands for the column in one cell: its mean, or the value that comes most often."""
        if self.column.mean is not None:
            return self.mean
        return self.column.top[0].value if self.column.top else "–"

    @property
    def deviation(self) -> str:
        return number_text(self.column.standard_deviation)

    @property
    def is_time(self) -> bool:
        return self.column.kind == "time"

    @property
    def quantiles(self) -> list[tuple[str, str]]:
        return [
            (f"{float(share):.0%}" if share != "0.5" else "Median", value_text(value, self.column.type))
            for share, value in self.column.quantiles.items()
        ]

    @property
    def top(self) -> list[tuple[str, bool, int, str, float]]:
        """Value, whether it goes on, count, share in words, and its part of the most frequent one's."""
        present = max(1, self.column.count - self.column.missing)
        most = max((top.count for top in self.column.top), default=1)
        return [
            (top.value, top.is_cut, top.count, percent_text(100 * top.count / present), 100 * top.count / most)
            for top in self.column.top
        ]


@dataclass(frozen=True)
class ProfilePage:
    """The state of a version's profile, and a page of what was found."""

    version: DatasetVersion
    latest: Profile | None  # whatever became of it
    done: Profile | None  # the last one with a result
    text: str = ""
    page_number: str | int = 1

    @property
    def under_way(self) -> Profile | None:
        return self.latest if self.latest and self.latest.status in UNDER_WAY else None

    @property
    def ended_badly(self) -> Profile | None:
        """Failed or cancelled, and nothing came after it."""
        ended = (WorkStatus.FAILED, WorkStatus.CANCELLED)
        return self.latest if self.latest and self.latest.status in ended else None

    @property
    def result(self) -> ProfileResult | None:
        result: ProfileResult | None = self.done.result if self.done else None
        return result

    @cached_property
    def page(self) -> "Page[tuple[int, dict[str, object]]]":
        found = list(enumerate(self.result.columns if self.result else []))
        if self.text:
            found = [(at, column) for at, column in found if self.text.lower() in str(column["name"]).lower()]
        return Paginator(found, COLUMNS_A_PAGE).get_page(self.page_number)

    @cached_property
    def rows(self) -> list[ColumnRow]:
        return [column_row(position, column) for position, column in self.page.object_list]


def column_row(position: int, column: object) -> ColumnRow:
    profile = ColumnProfile.model_validate(column)
    return ColumnRow(position, profile, spark(profile))


def percent_text(percent: float) -> str:
    if percent in {0.0, 100.0}:
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "< 0.1 %"
    return f"{min(percent, 99.9):.1f} %"


def profile_page(version: DatasetVersion, *, text: str = "", page: str | int = 1) -> ProfilePage:
    latest, done = _latest(version)
    return ProfilePage(version, latest, done, text.strip().replace("\0", ""), page)


def profile_of(version: DatasetVersion) -> Profile:
    """The latest one, with its result where it is completed. Raises Http404 where there is none."""
    latest = version.profiles.first()
    if latest is None:
        raise Http404("This version has not been profiled.")
    return latest


def column_of(version: DatasetVersion, position: int) -> ColumnRow:
    """Raises Http404 where there is no result, or no such column in it."""
    done = _latest(version)[1]
    if done is None or done.result is None or position >= len(done.result.columns):
        raise Http404("The profile has no such column.")
    return column_row(position, done.result.columns[position])


def _latest(version: DatasetVersion) -> tuple[Profile | None, Profile | None]:
    """The newest profile, and the newest that has a result."""
    latest = version.profiles.defer("result").select_related("requested_by").first()
    done = version.profiles.filter(status=WorkStatus.COMPLETED).select_related("requested_by").first()
    return latest, done


# --- Two versions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ComparedColumn:
    """A column of two versions, side by side."""

    number: int
    pair: ColumnPair
    before: ColumnRow | None
    after: ColumnRow | None

    @cached_property
    def laid(self) -> Overlaid | None:
        return overlaid(self.before.column, self.after.column) if self.before and self.after else None

    @cached_property
    def sparks(self) -> tuple[str, str]:
        """Both distributions on common bins and a common height; each by itself where they can't be laid over."""
        if self.laid is None:
            return (self.before.spark if self.before else "", self.after.spark if self.after else "")
        highest = max([*self.laid.before, *self.laid.after])
        return bars(self.laid.before, highest=highest), bars(self.laid.after, highest=highest)


@dataclass(frozen=True)
class Comparison:
    """Two tabular versions: `before` is the one on the left."""

    before: ProfilePage
    after: ProfilePage
    pairs: list[ColumnPair]
    text: str = ""
    only_changes: bool = False
    page_number: str | int = 1

    def count(self, change: str) -> int:
        return sum(pair.change == change for pair in self.pairs)

    @property
    def added(self) -> int:
        return self.count("added")

    @property
    def removed(self) -> int:
        return self.count("removed")

    @property
    def retyped(self) -> int:
        return self.count("retyped")

    @property
    def is_same(self) -> bool:
        return not (self.added or self.removed or self.retyped)

    @cached_property
    def page(self) -> "Page[tuple[int, ColumnPair]]":
        shown = [
            (number, pair)
            for number, pair in enumerate(self.pairs)
            if self.text.lower() in pair.name.lower() and not (self.only_changes and pair.change == "same")
        ]
        return Paginator(shown, COLUMNS_A_PAGE).get_page(self.page_number)

    @cached_property
    def rows(self) -> list[ComparedColumn]:
        return [self.column(number) for number, _ in self.page.object_list]

    def column(self, number: int) -> ComparedColumn:
        """Raises Http404 where there is no such column."""
        if number >= len(self.pairs):
            raise Http404("There is no such column.")
        pair = self.pairs[number]
        return ComparedColumn(
            number, pair, _row(self.before.result, pair.before_at), _row(self.after.result, pair.after_at)
        )


def version_before(version: DatasetVersion) -> DatasetVersion | None:
    """The one of its dataset that came before it."""
    earlier = DatasetVersion.objects.filter(dataset=version.dataset_id, number__lt=version.number)
    return earlier.select_related("dataset__workspace").order_by("-number").first()


def version_in(workspace: Workspace, version_id: int) -> DatasetVersion:
    """Raises Http404 where the workspace has none of this id."""
    version = (
        DatasetVersion.objects.filter(pk=version_id, dataset__workspace=workspace)
        .select_related("dataset__workspace")
        .first()
    )
    if version is None:
        raise Http404("There is no such version in this workspace.")
    return version


def tabular_versions(workspace: Workspace) -> QuerySet[DatasetVersion]:
    """What can be compared, by dataset, newest first."""
    return (
        DatasetVersion.objects.filter(dataset__workspace=workspace, definition__kind="tabular")
        .select_related("dataset")
        .order_by("dataset__name", "-number")
    )


def comparison(
    before: DatasetVersion, after: DatasetVersion, *, text: str = "", only_changes: bool = False, page: str | int = 1
) -> Comparison:
    """Raises UserError where one of them is no table."""
    return Comparison(
        profile_page(before),
        profile_page(after),
        paired(columns_of(before), columns_of(after)),
        text.strip().replace("\0", ""),
        only_changes,
        page,
    )


def columns_of(version: DatasetVersion) -> Sequence[Column]:
    """The columns that a reader of `version` gets."""
    definition = version.definition
    if not isinstance(definition, TabularDefinition):
        raise UserError(f"{version} is made of files, not of a table: only tables have columns to compare.")
    return checked(definition.transformations, definition.columns)


def _row(result: ProfileResult | None, position: int | None) -> ColumnRow | None:
    if result is None or position is None or position >= len(result.columns):
        return None
    return column_row(position, result.columns[position])
