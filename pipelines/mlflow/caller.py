"""Who asks: a person with a token of theirs, or the program of a step with the one that its node gave it."""

from dataclasses import dataclass
from typing import Any, cast

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from compute.services.step_tokens import Bearer, bearer_of, is_step_token
from pipelines.mlflow.failures import MlflowError, missing, unfit
from pipelines.models import JOB_OWNER, StepRun, Tag
from pipelines.tracked_runs import tracked_run_id
from studio.workspaces import bearer as person_tokens
from studio.workspaces.access import Access, access_of, authorise
from studio.workspaces.models import AccessToken, Role, User, Workspace
from studio.workspaces.permissions import Permission
from studio.workspaces.queries import workspaces_of

PARENT = "mlflow.parentRunId"  # the tag by which MLflow nests runs
WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"


class StepTokens(BaseAuthentication):
    """`Authorization: Bearer step.…`. Other tokens are left to who knows them."""

    def authenticate(self, request: Request) -> tuple[User, Bearer] | None:
        words = get_authorization_header(request).decode("latin-1").split()
        if len(words) != 2 or words[0].lower() != "bearer" or not is_step_token(words[1]):
            return None
        bearer = bearer_of(words[1])
        user = User.objects.filter(pk=bearer.requested_by_id or 0).first() if bearer else None
        if bearer is None or user is None or not user.is_active:
            raise AuthenticationFailed("This token was of a step that is over.")
        return user, bearer

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (the same for all)
        return "Bearer"


_OF_PROGRAMS = Role.CONTRIBUTOR  # the least that may run something: an owner's step administers nothing
AUTHENTICATION: list[Any] = [StepTokens, person_tokens.Bearer]


@dataclass(frozen=True, slots=True)
class Caller:
    """A person in a workspace, and the step whose program speaks for them, if one does.

    A program may look at what its submitter may look at. It logs to its own step and to runs that it began.
    """

    access: Access
    step: StepRun | None = None
    attempt: int = 0

    @property
    def workspace(self) -> Workspace:
        return self.access.workspace

    def is_program_of(self, step: StepRun) -> bool:
        return self.step is not None and self.step.pk == step.pk and self.attempt == step.attempt

    def require_may_log_to(self, step: StepRun, run_name: str) -> None:
        """Raises MlflowError where the token is of another step's program."""
        if self.step is None or self.is_program_of(step):
            return
        own = run_name_of(self.step)
        if not Tag.objects.filter(step_run=step, is_property=False, name=PARENT, value=own).exists():
            raise MlflowError(
                "PERMISSION_DENIED",
                f"The token of this step is for its own run, “{own}”, and for those that it begins: not for "
                f"“{run_name}”.",
            )

    def require_person(self, what: str) -> None:
        """Raises MlflowError for the program of a step."""
        if self.step is not None:
            raise MlflowError("PERMISSION_DENIED", f"The token of a step is not for {what}. Use one of your own.")


def run_name_of(step: StepRun) -> str:
    """What MLflow's clients call a run: by it people find the run, and we the step."""
    return tracked_run_id(step.run_id, step.pk)


def caller_of(request: Request, slug: str | None) -> Caller:
    """Raises MlflowError, PermissionDenied, Http404."""
    user = cast("User", request.user)
    if isinstance(request.auth, Bearer):
        return _program(request.auth, user, slug)
    token = person_tokens.token_of(request)
    slug = slug or request.headers.get(WORKSPACE_HEADER) or _only_workspace(user, token)
    return Caller(authorise(user, slug, Permission.VIEW, token=token))


def _program(bearer: Bearer, user: User, slug: str | None) -> Caller:
    workspace = Workspace.objects.get(pk=bearer.workspace_id)
    access = access_of(user, workspace)
    owner = bearer.owner
    step = None
    if owner.startswith(JOB_OWNER):
        rows = StepRun.objects.select_related("run", "run__experiment")
        step = rows.filter(pk=int(owner.removeprefix(JOB_OWNER)), job_id=bearer.job_id).first()
    if access is None or step is None or slug not in {None, workspace.slug}:
        raise missing("There is no such workspace, or the token of this step is not for it.")
    return Caller(access.narrowed(_OF_PROGRAMS), step, bearer.attempt)


def _only_workspace(user: User, token: AccessToken | None) -> str:
    places = workspaces_of(user)
    if token is not None and not token.everywhere:
        places = places.filter(pk=token.workspace_id or 0)
    slugs = list(places.values_list("slug", flat=True)[:20])
    if len(slugs) == 1:
        return slugs[0]
    if not slugs:
        raise missing("You are a member of no workspace.")
    raise unfit(
        "You are a member of several workspaces. Say which one in the tracking address: "
        f"end it with one of {', '.join(f'/api/mlflow/{slug}' for slug in slugs)}."
    )
