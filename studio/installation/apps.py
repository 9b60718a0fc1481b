from django.apps import AppConfig


class InstallationConfig(AppConfig):
    name = "studio.installation"
    label = "installation"
