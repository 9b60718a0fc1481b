from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "compute"

    def ready(self) -> None:
        # A process that only sends messages knows its tasks too: a name that nothing answers to would go unnoticed.
        from compute import tasks  # noqa: F401
        from compute.services.kept import note_arrivals, refuse_beyond_quota
        from compute.services.recount import recount_after_deletion
        from datastores import arrivals, deletions

        arrivals.listen(note_arrivals, guard=refuse_beyond_quota)
        deletions.listen(recount_after_deletion)
