from django.apps import AppConfig


class InstallationConfig(AppConfig):
    name = "studio.installation"
    label = "installation"

    def ready(self) -> None:
        from studio.installation import tasks  # noqa: F401 (registers them)
        from studio.installation.database import watch_connections

        watch_connections()
