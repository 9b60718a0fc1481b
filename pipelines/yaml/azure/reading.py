"""What an import of Azure ML's files knows while it reads, and what it has found so far."""

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml

from compute.environments.conda_files import spec_of
from datastores.paths import clean_path
from pipelines.nesting import MAX_DEPTH
from pipelines.texts import near
from pipelines.yaml.azure.fields import Fields
from pipelines.yaml.azure.names import said_meaning, usual_meaning
from pipelines.yaml.azure.texts import EXPRESSION
from pipelines.yaml.errors import Need
from pipelines.yaml.folder import ENDINGS, Folder
from pipelines.yaml.located import Located, Spot
from pipelines.yaml.plan import NewEnvironment, NewFiles, Plan
from studio.lib.problems import Problem, UserError
from studio.workspaces.access import Access

MAX_PIPELINES = 200  # of one import
PYTHON_VERSION = "3.11"  # of an environment that names none
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_STORE = re.compile(r"azureml://(?:subscriptions/.*/)?datastores/(?P<store>[^/]+)/paths/(?P<path>.*)\Z")
_BLOB = re.compile(r"wasbs?://(?P<container>[^@/]+)@(?P<account>[^/]+)/(?P<path>.*[^/])\Z")
_ASSET = re.compile(r"azureml:(?!//)(?P<name>[^:@]+)(?::(?P<version>[^:@]+)|@(?P<label>[^:@]+))?\Z")
_REGISTRY = re.compile(
    r"azureml://registries/[^/]+/(?P<sort>[a-z]+)/(?P<name>[^/]+)(?:/(?:versions/(?P<version>[^/]+)|labels/(?P<label>[^/]+)))?\Z"
)


@dataclass(frozen=True, slots=True)
class There:
    """What the workspace has, as far as a file may speak of it."""

    computes: frozenset[str]
    environments: Mapping[str, frozenset[int]]
    datasets: frozenset[str]
    datastores: frozenset[str]
    default_datastore: str
    models: frozenset[str]
    modules: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asset:
    """`azureml:NAME:VERSION` and the like; no version is the latest."""

    name: str
    version: str | None = None


def read_asset(text: str) -> Asset | None:
    match = _ASSET.match(text.strip()) or _REGISTRY.match(text.strip())
    return Asset(match["name"].strip(), match["version"]) if match else None


@dataclass
class Reading:
    access: Access
    folder: Folder
    there: There
    means: Mapping[str, Mapping[str, str]]
    plan: Plan = field(default_factory=Plan)
    problems: list[Problem] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    depth: int = 0  # of the pipeline that is read, within the others
    begun: int = 0  # pipelines within pipelines
    _frozen: dict[str, str] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)  # of files by their paths: many inputs may name one folder
    _places: dict[str, str] = field(default_factory=dict)  # where what lies at a path is going to lie
    _supposed: set[tuple[str, str]] = field(default_factory=set)
    _told: set[tuple[Spot, str]] = field(default_factory=set)

    def fields(self, located: Located) -> Fields:
        return Fields(located, self.problems)

    def say(self, spot: Spot, sentence: str) -> None:
        if (spot, sentence) not in self._told:
            self._told.add((spot, sentence))
            self.problems.append(spot.says(sentence))

    def note(self, spot: Spot, sentence: str) -> None:
        if (spot, sentence) not in self._told:
            self._told.add((spot, sentence))
            self.plan.notes.append(spot.says(sentence))

    @contextmanager
    def deeper(self, spot: Spot) -> Iterator[bool]:
        """Around a pipeline within a pipeline; False, and told, where there are too many: one may hold itself."""
        self.depth, self.begun = self.depth + 1, self.begun + 1
        if self.depth > MAX_DEPTH:
            self.say(spot, f"Pipelines are nested more than {MAX_DEPTH} deep here. Does one of them hold itself?")
        elif self.begun > MAX_PIPELINES:
            self.say(spot, f"These files make more than {MAX_PIPELINES} pipelines. Import them one by one.")
        yield self.depth <= MAX_DEPTH and self.begun <= MAX_PIPELINES
        self.depth -= 1

    def pass_over(self, fields: Fields, *names: str) -> None:
        for name in fields.pass_over(*names):
            self.note(fields.spot_of(name), f"“{name}” has no meaning here, and is left aside.")

    def file(self, said: str, spot: Spot) -> str | None:
        """The path of a file that one of the folder names, beside that one; None, and told, where there is none."""
        said = said.removeprefix("file:")
        try:
            path = self.folder.resolve(said, beside=spot.file)
        except UserError as error:
            self.say(spot, str(error))
            return None
        if path not in self.folder.files:
            alone = len(self.folder.files) == 1
            how = "Upload a zip with both files." if alone else near(path, self.folder.files).strip()
            self.say(spot, f"There is no “{path}” in what was uploaded. {how}".strip())
            return None
        return path

    def yaml_file(self, said: str, spot: Spot) -> Located | None:
        path = self.file(said, spot)
        if path is None:
            return None
        try:
            return self.folder.located(path)
        except UserError as error:
            self.problems += error.problems
            return None

    def source(self, fields: Fields) -> str | None:
        """The digest of what `code` names, beside the file that says so."""
        said, spot = fields.text("code").strip(), fields.spot_of("code")
        if not said:
            return None
        if said.startswith(("azureml:", "http:", "https:", "git+", "git@")):
            self.say(spot, "Code is taken from what is uploaded. Put the folder into the zip, and name it here.")
            return None
        try:
            path = self.folder.resolve(said, beside=spot.file)
            if path not in self._frozen:
                self._frozen[path] = self.folder.freeze(path, self.access.workspace, self.access.user)
        except UserError as error:
            self.say(spot, str(error))
            return None
        return self._frozen[path]

    def compute(self, said: str, spot: Spot) -> str:
        """What a compute target is called here."""
        name = said.strip().removeprefix("azureml:").partition(":")[0].rpartition("/")[2]
        if name in self.there.computes:
            return name
        if here := self._meaning("compute", name, spot):
            return here
        if name in {"serverless", "local", ""} and "local" in self.there.computes:
            return "local"
        self.needs.append(Need("compute", name))
        listed = ", ".join(sorted(self.there.computes)[:20])
        self.say(spot, f"There is no compute target “{name}” here. Say which one it means; there are: {listed}.")
        return "local"

    def environment(self, located: Located | None, name: str, spot: Spot) -> str:
        """What an environment is called here. `name` is for one that has none."""
        if located is None:
            self.note(spot, "This names no environment, so it is “python”.")
            return "python"
        if isinstance(located.value, dict):
            return self._inline(located, name)
        said = str(located.value).strip()
        if asset := read_asset(said):
            return self._registered(asset, located.spot)
        if said.removeprefix("file:").endswith(ENDINGS):
            inner = self.yaml_file(said, located.spot)
            return self._inline(inner, name) if inner is not None else "python"
        return self._image(said, located.spot)

    def _registered(self, asset: Asset, spot: Spot) -> str:
        versions = self.there.environments.get(asset.name)
        if versions is not None:
            if asset.version is None:
                return asset.name
            if asset.version.isdecimal() and int(asset.version) in versions:
                return f"{asset.name}:{asset.version}"
        made = next((each for each in self.plan.environments if each.name == asset.name), None)
        if made is not None:
            return made.name
        if here := self._meaning("environment", asset.name, spot):
            return here
        if versions is not None:
            self.say(spot, f"Environment “{asset.name}” has no version {asset.version} here.")
        else:
            self.needs.append(Need("environment", asset.name))
            self.say(spot, f"There is no environment “{asset.name}” here. Say which one it means.")
        return "python"

    def _image(self, image: str, spot: Spot) -> str:
        if here := self._meaning("image", image, spot):
            return here
        self.needs.append(Need("image", image))
        self.say(spot, f"Steps run without containers: say which environment stands for the image “{image}”.")
        return "python"

    def _meaning(self, sort: str, name: str, spot: Spot) -> str | None:
        if said := said_meaning(self.means.get(sort, {}), name):
            return said
        usual = usual_meaning(sort, name)
        if usual is not None and (sort, name) not in self._supposed:
            self._supposed.add((sort, name))
            self.note(spot, f"“{name}” is taken for the environment “{usual}” here. Say if it means another one.")
        return usual

    def _inline(self, located: Located, usual: str) -> str:
        fields = self.fields(located)
        name = _UNFIT.sub("-", fields.text("name") or usual).strip("-.")[:90] or "imported"
        description = fields.text("description")
        fields.pass_over("$schema", "version", "tags", "os_type", "properties")
        self.pass_over(fields, "inference_config")
        image, conda, build = fields.text("image"), fields.take("conda_file"), fields.take("build")
        fields.take("conda_file")
        fields.done()
        if build is not None:
            self.say(fields.spot_of("build"), "No image can be built here. Give the environment a “conda_file”.")
        elif conda is not None:
            self._conda(conda, name, description)
            return name
        elif image:
            return self._image(image, fields.spot_of("image"))
        else:
            self.say(fields.spot, "An environment has an “image”, a “conda_file”, or both.")
        return "python"

    def _conda(self, conda: Located, name: str, description: str) -> None:
        if isinstance(conda.value, dict):
            text = yaml.safe_dump(conda.plain(), sort_keys=False)
        else:
            path = self.file(str(conda.value), conda.spot)
            if path is None:
                return
            text = (self.folder.root / path).read_bytes()[: 2**20].decode("utf-8", "replace")
        try:
            spec = spec_of(text, python_version=PYTHON_VERSION)
        except UserError as error:
            for problem in error.problems:
                self.say(conda.spot, problem.message)
            return
        known = next((each for each in self.plan.environments if each.name == name), None)
        if known is None:
            self.plan.environments.append(NewEnvironment(name, spec, description, conda.spot))
        elif known.spec != spec:
            self.say(
                conda.spot, f"There is another environment “{name}” in these files. Give one of them another name."
            )

    def path(self, said: str, spot: Spot) -> tuple[str, str] | None:
        """Data that a path names, as a value: the type of a parameter that could hold it, and its value."""
        said = said.strip()
        if EXPRESSION.search(said):
            self.say(spot, "An input reads what is there already: no expression can stand in its path.")
            return None
        if match := _STORE.match(said):
            store = match["store"]
            if store not in self.there.datastores:
                self.say(spot, f"There is no datastore “{store}” here.{near(store, self.there.datastores)}")
            return "data_path", f"{store}/{match['path'].strip('/')}"
        if asset := read_asset(said):
            if asset.version is not None and not asset.version.isdecimal():
                self.say(spot, f"Versions of datasets are numbers here, and “{asset.version}” is none.")
                return "dataset", asset.name
            return "dataset", asset.name + (f":{asset.version}" if asset.version else "")
        if said.startswith(("https://", "http://")):
            return "data_path", said
        if match := _BLOB.match(said):
            address = f"https://{match['account']}/{match['container']}/{match['path']}"
            self.note(spot, f"This is read as {address}, which must be one file, and public.")
            return "data_path", address
        if "://" in said:
            scheme = said.partition(":")[0]
            how = "Register its storage as a datastore, and write azureml://datastores/NAME/paths/PATH."
            self.say(spot, f"Addresses that begin with “{scheme}:” are not read here. {how}")
            return None
        return self._local(said, spot)

    def _local(self, said: str, spot: Spot) -> tuple[str, str] | None:
        try:
            path = self.folder.resolve(said.removeprefix("file:"), beside=spot.file)
            files = self.folder.below(path)
            if not files:
                how = "Upload a zip with the data." if len(self.folder.files) == 1 else "Put it into the zip."
                self.say(spot, f"There is no “{said}” in what was uploaded. {how}")
                return None
            for name in files:
                clean_path(name)
        except UserError as error:
            self.say(spot, str(error))
            return None
        if path not in self._places:
            self._places[path] = self._uploaded(files)
        name = posixpath.basename(path) if path in self.folder.files else ""
        return "data_path", f"{self.there.default_datastore}/{self._places[path]}/{name}".rstrip("/")

    def _uploaded(self, files: dict[str, str]) -> str:
        """Plan the upload of files, by their names there; gives the folder, which is called by what is in it."""
        digest = hashlib.sha256()
        for name, file in sorted(files.items()):
            if file not in self._digests:
                with (self.folder.root / file).open("rb") as stream:
                    self._digests[file] = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{name}\0{self._digests[file]}\n".encode())
        wanted = NewFiles(f"imported/{digest.hexdigest()[:32]}", files)
        if wanted not in self.plan.files:
            self.plan.files.append(wanted)
        return wanted.folder
