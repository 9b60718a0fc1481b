"""Write down who did what, in the transaction that does it."""

from studio.workspaces.models import AuditEvent, User, Workspace


def record(workspace: Workspace | None, actor: User | None, verb: str, target: str) -> None:
    AuditEvent.objects.create(workspace=workspace, actor=actor, verb=verb, target=target[:200])
