"""The forms of environments. What they check twice, the services decide."""

from typing import Any

from django import forms
from django.conf import settings

from compute.environments.conda_files import spec_of
from compute.environments.python_versions import buildable_versions
from compute.environments.requirements import MAX_LINE_LENGTH, MAX_LINES
from compute.models import ComputeTarget, Environment
from compute.pages.forms import NAME_HELP
from compute.spec import EnvironmentSpec
from studio.lib.problems import Problem, UserError

_EXAMPLE = "pandas>=2.2\nscikit-learn==1.7.*\nmatplotlib"
_CONDA_EXAMPLE = "libgdal=3.9\nnumpy=1.26"
_SCRIPT_EXAMPLE = 'python -m nltk.downloader -d "$STUDIO_ENVIRONMENT/share/nltk_data" punkt'


def _text(rows: int, placeholder: str = "") -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "spellcheck": "false", "class": "mono", "placeholder": placeholder})


class EnvironmentForm(forms.Form):
    """A new environment, or a new version of one. One requirement a line; comments and blank lines are dropped."""

    name = forms.CharField(max_length=100, help_text=NAME_HELP.format("forecasting"))
    description = forms.CharField(max_length=500, required=False)
    python_version = forms.ChoiceField(label="Python", help_text="The versions that this machine can build with.")
    requirements = forms.CharField(
        label="pip requirements",
        required=False,
        max_length=MAX_LINES * MAX_LINE_LENGTH,
        strip=False,
        widget=_text(10, _EXAMPLE),
        help_text="One a line, as in a requirements.txt. The first build finds their exact versions and keeps them.",
    )
    indexes = forms.MultipleChoiceField(
        label="Further package indexes",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="A package that such an index has comes from it, all others from the node's own. "
        "The administrator sets them up.",
    )
    conda = forms.CharField(
        label="conda dependencies",
        required=False,
        max_length=MAX_LINES * MAX_LINE_LENGTH,
        strip=False,
        widget=_text(5, _CONDA_EXAMPLE),
        help_text="One a line, or a whole conda file (environment.yml), which is taken apart into these fields. "
        "A node without micromamba, mamba or conda takes them from the package index where they exist there.",
    )
    channels = forms.CharField(
        label="conda channels",
        required=False,
        max_length=10_000,
        widget=_text(2, "conda-forge"),
        help_text="One a line, the first one goes first; conda-forge where none is named.",
    )
    variables = forms.CharField(
        label="Environment variables",
        required=False,
        max_length=100_000,
        widget=_text(3, "OMP_NUM_THREADS=4"),
        help_text="NAME=value, one a line, for each step. Everybody in the workspace can read them: no passwords here.",
    )
    setup_script = forms.CharField(
        label="Setup script",
        required=False,
        max_length=100_000,
        strip=False,
        widget=_text(4, _SCRIPT_EXAMPLE),
        help_text="A shell script, run once as the last part of each build, with the rights that a step has on the "
        "node. What it leaves in <code>$STUDIO_ENVIRONMENT</code> stays; its output is in the build's log.",
    )
    interpreter = forms.CharField(
        label="Interpreter of the node",
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "mono", "placeholder": "/opt/conda/envs/ml/bin/python"}),
        help_text="Instead of all that: a Python that is on every node already, with the packages that you look after. "
        "Results of its steps are never reused, for nobody can tell what changed in it.",
    )

    packages = ("python_version", "requirements", "indexes")
    conda_part = ("conda", "channels")
    more = ("variables", "setup_script")
    inherit = ("interpreter",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = buildable_versions()
        chosen = self.initial.get("python_version")
        if chosen and chosen not in versions:
            versions.append(chosen)
        self._choices("python_version", [(version, f"Python {version}") for version in versions])
        self._choices("indexes", [(name, name) for name in sorted(settings.PACKAGE_INDEXES)])
        if not settings.PACKAGE_INDEXES:
            del self.fields["indexes"]
        self._given_pip = 0  # lines of the field itself, before those of a conda file

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def groups(self) -> list[tuple[str, str, list[forms.BoundField], bool]]:
        """The parts of the form behind a line that opens them: title, a word on it, fields, whether it is open."""
        said = [
            ("conda", "Packages from conda channels, or a whole environment.yml", self.conda_part),
            ("Variables and setup script", "What each step finds set, and what a build does last", self.more),
            ("An interpreter of the node", "The studio installs nothing", self.inherit),
        ]
        return [(title, words, [self[name] for name in names], self._is_open(names)) for title, words, names in said]

    def _is_open(self, names: tuple[str, ...]) -> bool:
        return any(self[name].errors or self[name].value() for name in names)

    def first_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "description", *self.packages) if name in self.fields]

    def spec(self) -> EnvironmentSpec:
        """What the valid form says. Line i of the text is element i of `pip`, so that a problem finds its line.

        Raises UserError for a conda file and for variables that can't be read.
        """
        data = self.cleaned_data
        pip = data["requirements"].splitlines()
        self._given_pip = len(pip)
        variables = _variables(data["variables"])
        channels = data["channels"].splitlines()
        python, conda = data["python_version"], data["conda"].splitlines()
        if _is_file(data["conda"]):
            file = spec_of(data["conda"], python_version=python)
            python, conda = file.python_version, file.conda
            pip, channels = [*pip, *file.pip], file.channels or channels
            variables = {**file.variables, **variables}
        return EnvironmentSpec(
            python_version=python,
            pip=pip,
            conda=conda,
            channels=channels,
            indexes=data.get("indexes", []),
            variables=variables,
            setup_script=data["setup_script"],
            interpreter=data["interpreter"],
        )

    def add_problems(self, error: UserError) -> None:
        """Put the services' problems at the fields and lines that they belong to."""
        for problem in error.problems:
            self.add_error(*self._placed(problem))

    def _placed(self, problem: Problem) -> tuple[str | None, str]:
        match problem.loc:
            case ("pip", int(index)) if index < self._given_pip:
                return "requirements", f"Line {index + 1}: {problem.message}"
            case ("pip", int()):
                return "conda", problem.message
            case ("pip", *_):
                return "requirements", problem.message
            case ("conda_file", *_):
                return "conda", problem.message
            case (("conda" | "channels"), *_) if _is_file(self.data.get("conda", "")):
                return "conda", problem.message
            case (("conda" | "channels" | "variables") as field, int(index)):
                return field, f"Line {index + 1}: {problem.message}"
            case (str(field), *_) if field in self.fields:
                return field, problem.message
        return None, problem.message


def initial_of(environment: Environment | None, *, is_version: bool) -> dict[str, Any]:
    """What the form begins with: nothing, or all that a version says."""
    if environment is None:
        return {}
    spec = environment.spec
    return {
        "name": environment.name if is_version else "",
        "description": environment.description,
        "python_version": spec.python_version,
        "requirements": "\n".join(spec.pip),
        "conda": "\n".join(spec.conda),
        "channels": "\n".join(spec.channels),
        "indexes": spec.indexes,
        "variables": "\n".join(f"{name}={value}" for name, value in spec.variables.items()),
        "setup_script": spec.setup_script,
        "interpreter": spec.interpreter,
    }


def _is_file(text: str) -> bool:
    """A line of conda's has no colon but in `channel::name`."""
    return any(line.rstrip().endswith(":") or ": " in line for line in text.splitlines() if not line.startswith("#"))


def _variables(text: str) -> dict[str, str]:
    variables: dict[str, str] = {}
    for index, line in enumerate(text.splitlines()):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, sign, value = line.partition("=")
        if not sign:
            raise UserError(f"“{line.strip()[:80]}” is not of the form NAME=value.", loc=("variables", index))
        variables[name.strip()] = value.strip()
    return variables


class BuildForm(forms.Form):
    """Where to build ahead of the first step."""

    target: "forms.ModelChoiceField[ComputeTarget]" = forms.ModelChoiceField(
        queryset=ComputeTarget.objects.none(), empty_label=None
    )

    def __init__(self, *args: Any, targets: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["target"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = targets
