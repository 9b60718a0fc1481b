"""Ways on from a run that came to nothing, over REST."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries, services
from pipelines.models import Run
from pipelines.serializers import (
    ClonedSerializer,
    ContinuedSerializer,
    EditableSerializer,
    EditedSerializer,
    EditStepSerializer,
    PausedSerializer,
    ResubmitSerializer,
    StepAskedSerializer,
    SubmittedSerializer,
)
from pipelines.step_editing import editable
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class ContinueView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses=ContinuedSerializer)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Try again what failed, was cancelled or never ran, in the same run: “rerun from failed”.

        Steps that completed keep their results. 409 where the run is being cancelled, or nothing of it is left undone.
        """
        run = queries.run_of(self.access.workspace, run_id)
        steps = services.continue_run(self.access, run)
        run.refresh_from_db(fields=["status"])
        return Response({"steps": steps, "status": run.status})


class PauseView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses=PausedSerializer)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Let nothing further of a run begin until it is resumed; steps that run go on to their end.

        409 where the run is over or is being cancelled.
        """
        run = queries.run_of(self.access.workspace, run_id)
        return _paused(run, changed=services.pause_run(self.access, run))


class ResumeView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses=PausedSerializer)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Let a paused run go on with all that is ready. 409 where the run is over or is being cancelled."""
        run = queries.run_of(self.access.workspace, run_id)
        return _paused(run, changed=services.resume_run(self.access, run))


class EditStepView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(responses=EditableSerializer)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """What can be changed of a step for its next attempt, as it is now."""
        run = queries.run_of(self.access.workspace, run_id)
        return Response(editable(self.access.workspace, run, queries.step_of(run, name)))

    @extend_schema(request=EditStepSerializer, responses=EditedSerializer)
    def post(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Change what the next attempt of a step runs, and continue the run with it.

        The step must have failed, been cancelled or been skipped; earlier attempts keep their code and logs. 409 where
        somebody was quicker.
        """
        run = queries.run_of(self.access.workspace, run_id)
        step = queries.step_of(run, name)
        wanted = EditStepSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        edited = services.edit_step(
            self.access,
            run,
            step.name,
            _changes(data),
            base_edit=data["base_edit"],
            go_on=data["continue_run"],
            save_to_pipeline=data["save_to_pipeline"],
        )
        run.refresh_from_db(fields=["status"])
        return Response(
            {
                "edit": queries.edit_json(edited.edit) if edited.edit else None,
                "steps": edited.tried,
                "version": edited.saved.version.number if edited.saved else None,
                "status": run.status,
            }
        )


class ResubmitView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=ResubmitSerializer, responses={201: SubmittedSerializer})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """A new run of the same version, with the same parameters or others. 409 while the run is being cancelled."""
        run = queries.run_of(self.access.workspace, run_id)
        wanted = ResubmitSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return _submitted(slug, services.resubmit_run(self.access, run, **wanted.validated_data))


class RerunView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses={201: SubmittedSerializer})
    def post(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """A new run of what this one froze, in which the step and all that depends on it run anew.

        The others keep their results. 409 where the run is not over.
        """
        run = queries.run_of(self.access.workspace, run_id)
        step = queries.step_of(run, name)
        return _submitted(slug, services.rerun_from(self.access, run, step.name))


class CancelStepView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses={202: StepAskedSerializer})
    def post(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Ask for the end of one step: what depends on it is skipped, and the rest of the run goes on.

        409 where the step is over, or the whole run is being cancelled.
        """
        run = queries.run_of(self.access.workspace, run_id)
        step = queries.step_of(run, name)
        services.cancel_step(self.access, run, step.name)
        step.refresh_from_db(fields=["status"])
        return Response({"status": step.status}, status=status.HTTP_202_ACCEPTED)


class CloneView(WorkspaceAPIView):
    @extend_schema(request=None, responses={201: ClonedSerializer})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """A new pipeline whose first version is what this run ran, edits within the run included."""
        pipeline = services.clone_run(self.access, queries.run_of(self.access.workspace, run_id))
        url = reverse("pipelines:edit", args=[slug, pipeline.pk])
        return Response({"id": pipeline.pk, "name": pipeline.name, "url": url}, status=status.HTTP_201_CREATED)


def _paused(run: Run, *, changed: bool) -> Response:
    run.refresh_from_db(fields=["status", "paused_at", "paused_by"])
    body = {
        "changed": changed,
        "status": run.status,
        "paused_at": queries.iso(run.paused_at),
        "paused_by": run.paused_by.username if run.paused_by else None,
    }
    return Response(body)


def _submitted(slug: str, run: Run) -> Response:
    body = {"id": run.pk, "url": reverse("runs:detail", args=[slug, run.pk]), "status": run.status}
    return Response(body, status=status.HTTP_201_CREATED)


def _changes(data: dict[str, Any]) -> services.StepChanges:
    files = data.get("files") or {}
    return services.StepChanges(
        put={each["path"]: each["text"] for each in files.get("put", [])},
        delete=tuple(files.get("delete", [])),
        move=tuple((each["from"], each["to"]) for each in files.get("move", [])),
        settings=data["settings"],
    )
