from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "compute"

    def ready(self) -> None:
        # A process that only sends messages knows its tasks too: a name that nothing answers to would go unnoticed.
        from compute import tasks  # noqa: F401
