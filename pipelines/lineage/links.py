"""One hop along the lineage, backward (`sources_of`) and forward (`results_of`), for many nodes with few statements.

Per node no more rows are read than are asked for, whatever the number of runs.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Max, Q, Subquery, TextField
from django.db.models.functions import Cast

from datastores.models import DatasetVersion
from datastores.paths import Glob, crumbs, fixed_folder, is_glob
from datastores.sources import Definition, QuerySource, TabularDefinition, paths_of
from pipelines.lineage.nodes import Gone, Key, Model, Place, Step, Version
from pipelines.models import StepOutput
from pipelines.registered import ModelVersion
from studio.workspaces.models import Workspace

TAKERS = 50  # steps that took a result again, of which it is asked what they fed
PATHS = 25  # of a dataset, whose writers are looked for
VERSIONS_SEARCHED = 5000  # the newest ones, for those that somebody made over a folder or derived from another
AT_ONCE = 400  # of SQLite's 500 terms of a compound SELECT
BELOW = 20  # outputs within a folder


@dataclass(frozen=True, slots=True)
class Link:
    """`made` was made from `source`, through this output of a step and this input of another."""

    source: Key
    made: Key
    output: str = ""
    input: str = ""


Links = dict[Key, list[Link]]
# Of a step the place of one of its outputs, by name; else the place itself.
Folder = tuple[Key, str, Place]


class Reader:
    """Reads the links of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.definitions: dict[int, Definition] = {}

    def sources_of(self, keys: Collection[Key], limit: int) -> Links:
        """For each of `keys`, what it was made from, at most `limit` each."""
        found: Links = defaultdict(list)
        self._inputs_of_steps([key for key in keys if isinstance(key, Step)], limit, found)
        self._sources_of_versions([key for key in keys if isinstance(key, Version)], limit, found)
        self._makers_of_models([key for key in keys if isinstance(key, Model)], found)
        places = [key for key in keys if isinstance(key, Place) and key.datastore_id]
        for place, outputs in self._writers(places).items():
            found[place] += [Link(Step(step), place, output=name) for step, name in outputs]
        return {key: _distinct(links)[:limit] for key, links in found.items()}

    def results_of(self, keys: Collection[Key], limit: int) -> Links:
        """For each of `keys`, what was made from it, the newest first, at most `limit` each."""
        found: Links = defaultdict(list)
        steps = [key for key in keys if isinstance(key, Step)]
        versions = [key for key in keys if isinstance(key, Version)]
        places = [key for key in keys if isinstance(key, Place) and key.datastore_id]
        self._registered_from(steps, limit, found)
        self._readers_of_outputs([(key, key) for key in steps], limit, found)
        self._readers_of_versions(versions, limit, found)
        self._registered_models(steps, limit, found)
        self._readers_of_models([key for key in keys if isinstance(key, Model)], limit, found)
        writers = self._writers(places)
        read = [(place, Step(step, name)) for place, outputs in writers.items() for step, name in outputs]
        self._readers_of_outputs(read, limit, found)
        folders = [*self._folders_of(steps), *((place, "", place) for place in places)]
        self._readers_of_folders(folders, limit, found)
        self._made_by_hand(versions, folders, found)
        return {key: _distinct(links)[:limit] for key, links in found.items()}

    def definitions_of(self, versions: Iterable[int]) -> dict[int, Definition]:
        """Of versions of this workspace; each is read once."""
        missing = set(versions) - self.definitions.keys()
        if missing:
            rows = DatasetVersion.objects.filter(pk__in=missing, dataset__workspace=self.workspace)
            self.definitions |= dict(rows.values_list("pk", "definition"))
        return self.definitions

    # Backward

    def _inputs_of_steps(self, steps: Sequence[Step], limit: int, found: Links) -> None:
        statement = """
            SELECT i.step_run_id, i.name, i.dataset_version_id, i.dataset, i.upstream_output,
                COALESCE(u.reused_from_id, u.id), i.datastore_id, i.path, i.model_version_id, i.model
            FROM pipelines_stepinput i LEFT JOIN pipelines_steprun u ON u.id = i.upstream_id
            WHERE i.step_run_id = %s ORDER BY i.id
        """
        by_pk = {step.pk: step for step in steps}
        placed: list[tuple[Step, str, Place]] = []
        for pk, name, version, dataset, output, upstream, datastore, path, model_version, model in _each(
            statement, [[step.pk] for step in steps], limit
        ):
            if model:
                read: Key = Model(model_version) if model_version else Gone(model, is_model=True)
                found[by_pk[pk]].append(Link(read, by_pk[pk], input=name))
                continue
            if not (upstream or dataset):
                placed.append((by_pk[pk], name, Place(datastore, path)))
                continue
            source: Key = Step(upstream) if upstream else Version(version) if version else Gone(dataset)
            found[by_pk[pk]].append(Link(source, by_pk[pk], output=output, input=name))
        writers = self._writers({place for _step, _name, place in placed if place.datastore_id})
        for reader, name, place in placed:
            wrote = [Link(Step(step), reader, output=output, input=name) for step, output in writers.get(place, [])]
            found[reader] += wrote or [Link(place, reader, input=name)]

    def _sources_of_versions(self, versions: Sequence[Version], limit: int, found: Links) -> None:
        if not versions:
            return
        makers: dict[int, list[tuple[int, str]]] = defaultdict(list)
        statement = """
            SELECT o.dataset_version_id, COALESCE(s.reused_from_id, s.id), o.name
            FROM pipelines_stepoutput o JOIN pipelines_steprun s ON s.id = o.step_run_id
            WHERE o.dataset_version_id = %s ORDER BY o.id
        """
        for version, step, name in _each(statement, [[key.pk] for key in versions], limit):
            makers[version].append((step, name))
        definitions = self.definitions_of(key.pk for key in versions)
        places = {
            key: [Place(path.datastore_id, path.path) for path in paths_of(definitions[key.pk])[:PATHS]]
            for key in versions
            if key.pk in definitions and key.pk not in makers and not _derived_from(definitions[key.pk])
        }
        writers = self._writers({place for each in places.values() for place in each if place.datastore_id})
        for key in versions:
            found[key] += [Link(Step(step), key, output=name) for step, name in makers.get(key.pk, [])]
            definition = definitions.get(key.pk)
            if definition is None:
                continue
            if derived_from := _derived_from(definition):
                found[key].append(Link(Version(derived_from), key))
            elif isinstance(definition, TabularDefinition) and isinstance(definition.source, QuerySource):
                found[key].append(Link(Place(definition.source.datastore_id, ""), key))
            for place in places.get(key, []):
                wrote = [Link(Step(step), key, output=name) for step, name in writers.get(place, [])]
                found[key] += wrote or [Link(place, key)]

    def _makers_of_models(self, models: Sequence[Model], found: Links) -> None:
        """The step whose output or artifacts a model is; none where its run was deleted."""
        if not models:
            return
        rows = ModelVersion.objects.filter(
            pk__in=[key.pk for key in models], model__workspace=self.workspace, step_run__isnull=False
        )
        for pk, step, reused_from, output in rows.values_list(
            "pk", "step_run_id", "step_run__reused_from_id", "output_name"
        ):
            found[Model(pk)].append(Link(Step(reused_from or step), Model(pk), output=output))

    def _writers(self, places: Collection[Place]) -> dict[Place, list[tuple[int, str]]]:
        """For each place the output that holds it, the nearest above it; else outputs that lie within it."""
        if not places:
            return {}
        above = {place: _ways(place) for place in places}
        asked = Q(pk__in=[])
        by_store: dict[int | None, set[str]] = defaultdict(set)
        for place, ways in above.items():
            by_store[place.datastore_id] |= set(ways)
        for datastore_id, paths in by_store.items():
            asked |= Q(datastore_id=datastore_id, path__in=paths)
        newest = StepOutput.objects.filter(asked).values("datastore_id", "path").annotate(newest=Max("id"))
        rows = StepOutput.objects.filter(pk__in=[row["newest"] for row in newest])
        holders: dict[tuple[int | None, str], tuple[int, str]] = {
            (datastore_id, path): (reused_from or step, name)
            for datastore_id, path, step, reused_from, name in rows.values_list(
                "datastore_id", "path", "step_run_id", "step_run__reused_from_id", "name"
            )
        }
        writers: dict[Place, list[tuple[int, str]]] = {}
        for place, ways in above.items():
            holder = next(
                (holders[place.datastore_id, way] for way in ways if (place.datastore_id, way) in holders), None
            )
            if holder:
                writers[place] = [holder]
        within = [place for place in places if place not in writers and _may_hold_folders(place)]
        return writers | self._outputs_within(within)

    def _outputs_within(self, places: Sequence[Place]) -> dict[Place, list[tuple[int, str]]]:
        beginning, bounds = _beginning("o.path")
        statement = f"""
            SELECT o.datastore_id, %s, COALESCE(s.reused_from_id, s.id), o.name
            FROM pipelines_stepoutput o JOIN pipelines_steprun s ON s.id = o.step_run_id
            WHERE o.datastore_id = %s AND {beginning} ORDER BY o.path DESC
        """  # noqa: S608 (of constants)
        asked = [[place.path, place.datastore_id, *bounds(fixed_folder(place.path))] for place in places]
        within: dict[Place, list[tuple[int, str]]] = defaultdict(list)
        for datastore_id, path, step, name in _each(statement, asked, BELOW):
            within[Place(datastore_id, path)].append((step, name))
        return within

    # Forward

    def _registered_from(self, steps: Sequence[Step], limit: int, found: Links) -> None:
        statement = """
            SELECT CAST(%s AS bigint), o.name, o.dataset_version_id FROM pipelines_stepoutput o
            WHERE o.step_run_id IN (
                SELECT CAST(%s AS bigint) UNION ALL SELECT id FROM (
                    SELECT id FROM pipelines_steprun WHERE reused_from_id = %s ORDER BY id DESC LIMIT {takers}
                ) takers
            ) AND o.dataset_version_id IS NOT NULL {only} ORDER BY o.id DESC
        """
        for step, name, version in self._of_outputs(statement, "o.name", [(step, step) for step in steps], limit):
            found[step].append(Link(step, Version(version), output=name))

    def _readers_of_outputs(self, asked: Sequence[tuple[Key, Step]], limit: int, found: Links) -> None:
        """The steps that read an output of each step of `asked`, as links from the key that it stands with."""
        statement = """
            SELECT CAST(%s AS bigint), i.upstream_output, i.name, COALESCE(s.reused_from_id, s.id)
            FROM pipelines_stepinput i JOIN pipelines_steprun s ON s.id = i.step_run_id
            WHERE i.upstream_id IN (
                SELECT CAST(%s AS bigint) UNION ALL SELECT id FROM (
                    SELECT id FROM pipelines_steprun WHERE reused_from_id = %s ORDER BY id DESC LIMIT {takers}
                ) takers
            ) {only} ORDER BY i.id DESC
        """
        for key, output, name, reader in self._of_outputs(statement, "i.upstream_output", asked, limit):
            found[key].append(Link(key, Step(reader), output=output, input=name))

    def _of_outputs(
        self, statement: str, column: str, asked: Sequence[tuple[Key, Step]], limit: int
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement over steps and those that took their results again, of one output if one is meant."""
        for narrow in (False, True):
            these = [(key, step) for key, step in asked if bool(step.output) == narrow]
            only = f"AND {column} = %s" if narrow else ""
            parameters = [
                [index, step.pk, step.pk, *([step.output] if narrow else [])]
                for index, (_key, step) in enumerate(these)
            ]
            for index, *row in _each(statement.format(takers=TAKERS, only=only), parameters, limit):
                yield (these[index][0], *row)

    def _readers_of_versions(self, versions: Sequence[Version], limit: int, found: Links) -> None:
        statement = """
            SELECT i.dataset_version_id, i.name, COALESCE(s.reused_from_id, s.id)
            FROM pipelines_stepinput i JOIN pipelines_steprun s ON s.id = i.step_run_id
            WHERE i.dataset_version_id = %s ORDER BY i.id DESC
        """
        for version, name, reader in _each(statement, [[key.pk] for key in versions], limit):
            found[Version(version)].append(Link(Version(version), Step(reader), input=name))

    def _registered_models(self, steps: Sequence[Step], limit: int, found: Links) -> None:
        """The models that what steps left became, through them or through steps that took their results again."""
        statement = """
            SELECT CAST(%s AS bigint), m.output_name, m.id FROM pipelines_modelversion m
            WHERE m.step_run_id IN (
                SELECT CAST(%s AS bigint) UNION ALL SELECT id FROM (
                    SELECT id FROM pipelines_steprun WHERE reused_from_id = %s ORDER BY id DESC LIMIT {takers}
                ) takers
            ) {only} ORDER BY m.id DESC
        """
        asked = [(step, step) for step in steps]
        for step, name, version in self._of_outputs(statement, "m.output_name", asked, limit):
            found[step].append(Link(step, Model(version), output=name))

    def _readers_of_models(self, models: Sequence[Model], limit: int, found: Links) -> None:
        statement = """
            SELECT i.model_version_id, i.name, COALESCE(s.reused_from_id, s.id)
            FROM pipelines_stepinput i JOIN pipelines_steprun s ON s.id = i.step_run_id
            WHERE i.model_version_id = %s ORDER BY i.id DESC
        """
        for version, name, reader in _each(statement, [[key.pk] for key in models], limit):
            found[Model(version)].append(Link(Model(version), Step(reader), input=name))

    def _folders_of(self, steps: Sequence[Step]) -> list[Folder]:
        """Where steps left their outputs, as (step, output, place)."""
        outputs = StepOutput.objects.filter(step_run__in=[step.pk for step in steps]) if steps else ()
        names = {step.pk: step for step in steps}
        return [
            (names[row.step_run_id], row.name, Place(row.datastore_id, row.path))
            for row in outputs
            if row.datastore_id and names[row.step_run_id].output in {"", row.name}
        ]

    def _readers_of_folders(self, folders: Sequence[Folder], limit: int, found: Links) -> None:
        """Steps that read a path of its own which is such a file or folder, holds it, or lies within it."""
        rows = """
            SELECT CAST(%s AS bigint), i.name, COALESCE(s.reused_from_id, s.id), i.id, i.path
            FROM pipelines_stepinput i JOIN pipelines_steprun s ON s.id = i.step_run_id
        """
        beginning, bounds = _beginning("i.folder")
        asked: dict[str, list[list[Any]]] = {"i.folder = %s": [], beginning: []}
        for index, (_key, _output, place) in enumerate(folders):
            asked["i.folder = %s"] += [[index, place.datastore_id, path] for path in [*_ways(place), ""]]
            asked[beginning].append([index, place.datastore_id, *bounds(fixed_folder(place.path))])
        read: set[tuple[int, int, str, int]] = set()
        for condition, parameters in asked.items():
            statement = f"{rows} WHERE i.datastore_id = %s AND {condition} ORDER BY i.id DESC"
            for index, name, reader, pk, path in _each(statement, parameters, limit):
                if touches(path, folders[index][2].path):
                    read.add((pk, index, name, reader))
        for _pk, index, name, reader in sorted(read, reverse=True):
            key, output, _place = folders[index]
            found[key].append(Link(key, Step(reader), output=output, input=name))

    def _made_by_hand(self, versions: Sequence[Version], folders: Sequence[Folder], found: Links) -> None:
        """Versions derived from others, and those that somebody pointed at a file or at what a step had left."""
        if not folders and not versions:
            return
        wanted = {key.pk for key in versions}
        for pk, definition in self._definitions_that_name(wanted, {place.datastore_id for _, _, place in folders}):
            derived_from = definition.get("derived_from")
            if derived_from in wanted:
                found[Version(derived_from)].append(Link(Version(derived_from), Version(pk)))
            if derived_from:
                continue  # it reads what its parent reads, and comes after that one
            paths = (definition.get("source") or definition).get("paths") or []
            for key, output, place in folders:
                if any(
                    path["datastore_id"] == place.datastore_id and touches(path["path"], place.path) for path in paths
                ):
                    found[key].append(Link(key, Version(pk), output=output))

    def _definitions_that_name(
        self, versions: Collection[int], datastores: Collection[int | None]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        rows = DatasetVersion.objects.filter(dataset__workspace=self.workspace)
        newest = rows.order_by("-pk").values("pk")[:VERSIONS_SEARCHED]
        asked = Q(pk__in=[])
        for name, numbers in (("derived_from", versions), ("datastore_id", datastores)):
            for number in numbers:
                for end in (",", "}"):
                    asked |= Q(text__contains=f'"{name}": {number}{end}')
        texts = rows.filter(pk__in=Subquery(newest)).annotate(text=Cast("definition", TextField())).filter(asked)
        for pk, text in texts.order_by("-pk").values_list("pk", "text"):
            yield pk, json.loads(text)


def _each(statement: str, asked: Sequence[Sequence[Any]], limit: int) -> list[tuple[Any, ...]]:
    """The first rows of `statement` for each set of parameters, as many in one round trip as SQLite takes."""
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        parts = [f"SELECT * FROM ({statement} LIMIT {int(limit)}) AS t{index}" for index in range(len(some))]  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), [parameter for each in some for parameter in each])
            found += cursor.fetchall()
    return found


def _beginning(column: str) -> tuple[str, Callable[[str], list[str]]]:
    """A condition on what lies within a folder, and its parameters for one.

    A range finds its way by SQLite's index, which compares bytes; PostgreSQL's has operators for beginnings.
    """
    if connection.vendor == "sqlite":
        return f"{column} >= %s AND {column} < %s", _range_within
    return f"{column} LIKE %s", _pattern_within


def _range_within(folder: str) -> list[str]:
    return [f"{folder}/", f"{folder}0"] if folder else ["", "\U0010ffff"]  # “0” comes right after “/”


def _pattern_within(folder: str) -> list[str]:
    start = f"{folder}/" if folder else ""
    return [start.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"]


def _distinct(links: list[Link]) -> list[Link]:
    return list(dict.fromkeys(links))


def _derived_from(definition: Definition) -> int | None:
    return definition.derived_from if isinstance(definition, TabularDefinition) else None


def _may_hold_folders(place: Place) -> bool:
    return not is_glob(place.path) or "**" in place.path


def _ways(place: Place) -> list[str]:
    """The path itself (of a pattern, its fixed folder) and all folders above it, the nearest first."""
    return [path for _name, path in crumbs(fixed_folder(place.path))][::-1]


def touches(path: str, folder: str) -> bool:
    """Whether a dataset's path means something in `folder` (or that file), or holds it."""
    fixed = fixed_folder(path)
    if not folder or fixed == folder or fixed.startswith(f"{folder}/"):
        return True
    if fixed and not folder.startswith(f"{fixed}/"):
        return False
    if not is_glob(path):
        return True
    pattern = Glob(path)
    state = pattern.start
    for name in folder[len(fixed) :].strip("/").split("/"):
        state = pattern.step(state, name)
    return bool(state)
