from django.db import migrations


def add_filestores(apps, _schema_editor):
    """Workspaces made before there was a `workspacefilestore` get theirs; its folder is made when it is written to."""
    workspace, datastore = apps.get_model("workspaces", "Workspace"), apps.get_model("datastores", "Datastore")
    named = datastore.objects.filter(name="workspacefilestore", removed_at=None)
    for pk in workspace.objects.exclude(pk__in=named.values("workspace_id")).values_list("pk", flat=True):
        datastore.objects.create(
            workspace_id=pk,
            name="workspacefilestore",
            description="Files that people share with each other.",
            kind="local",
            config={"path": f"{pk}/workspacefilestore"},
        )


class Migration(migrations.Migration):

    dependencies = [
        ("datastores", "0003_data_of_every_kind"),
    ]

    operations = [
        migrations.RunPython(add_filestores, migrations.RunPython.noop),
    ]
