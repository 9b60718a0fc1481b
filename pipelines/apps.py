from django.apps import AppConfig


class PipelinesConfig(AppConfig):
    name = "pipelines"

    def ready(self) -> None:
        # Tasks are registered by their import, in web processes too: services enqueue by name.
        import pipelines.tasks
        from compute.backlog import count_with
        from compute.listener import listen
        from datastores import uses
        from pipelines.backlog import steps_that_wait
        from pipelines.sample import follow_preparation
        from pipelines.services import follow_jobs
        from pipelines.store_uses import runs_on

        assert pipelines.tasks
        listen(follow_jobs)
        listen(follow_preparation)
        uses.register(runs_on)
        count_with(steps_that_wait)
