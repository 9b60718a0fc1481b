from django.apps import AppConfig


class InstallationConfig(AppConfig):
    name = "studio.installation"
    label = "installation"

    def ready(self) -> None:
        from studio.installation import tasks  # noqa: F401 (registers them)
