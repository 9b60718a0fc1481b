import hashlib
import json

from django.db import migrations


def fill_digests(apps, schema_editor):
    """As specifications had it so far: a Python version and pip requirements."""
    environments = apps.get_model('compute', 'Environment')
    for row in environments.objects.filter(digest='').iterator():
        said = {'python': row.spec['python_version'], 'pip': sorted(row.spec['pip'])}
        row.digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        row.save(update_fields=['digest'])


class Migration(migrations.Migration):

    dependencies = [('compute', '0006_environment_builds')]

    operations = [migrations.RunPython(fill_digests, migrations.RunPython.noop)]
