from django.apps import AppConfig


class PipelinesConfig(AppConfig):
    name = "pipelines"

    def ready(self) -> None:
        # Tasks are registered by their import, in web processes too: services enqueue by name.
        import pipelines.tasks
        from compute import programs
        from compute.backlog import count_with
        from compute.listener import listen, listen_to_records
        from compute.work import registry as works
        from datastores import uses
        from pipelines.backlog import steps_that_wait
        from pipelines.kinds import KINDS
        from pipelines.sample import follow_preparation
        from pipelines.services import follow_jobs, follow_records
        from pipelines.store_uses import models_on, runs_on

        assert pipelines.tasks
        listen(follow_jobs)
        listen(follow_preparation)
        listen_to_records(follow_records)
        uses.register(models_on)
        uses.register(runs_on)
        count_with(steps_that_wait)
        for kind in KINDS.values():
            for name, file in kind.programs.items():
                programs.register(name, file)
            for name, function in kind.works.items():
                works.register(name, function)
