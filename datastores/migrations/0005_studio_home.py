from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("datastores", "0004_workspacefilestore"),
    ]

    operations = [
        migrations.CreateModel(
            name="StudioHome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mark", models.CharField(max_length=64)),
            ],
        ),
    ]
