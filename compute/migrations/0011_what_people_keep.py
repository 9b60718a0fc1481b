"""Uploads and sources count from now on, and those that are there already are found after the migration, not by it.

A look at every file would keep the studio away from people for as long as it takes. So each workspace only gets a row
that asks for a count; the control worker does them one after another while the studio runs, and what it has not come
to yet counts a little later.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone


def ask_for_counts(apps, _schema_editor):
    workspace, count = apps.get_model("workspaces", "Workspace"), apps.get_model("compute", "StorageCount")
    now = timezone.now()
    count.objects.bulk_create(
        count(workspace_id=pk, asked_at=now, searches=True) for pk in workspace.objects.values_list("pk", flat=True)
    )


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0010_node_isolation'),
        ('workspaces', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='storageuse',
            name='brought_bytes',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.CreateModel(
            name='KeptFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64, unique=True)),
                ('place', models.TextField()),
                ('person', models.BigIntegerField()),
                ('size_bytes', models.BigIntegerField()),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='StorageCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('asked_at', models.DateTimeField(blank=True, null=True)),
                ('began_at', models.DateTimeField(blank=True, null=True)),
                ('searches', models.BooleanField(default=False)),
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
        ),
        migrations.RunPython(ask_for_counts, migrations.RunPython.noop),
    ]
