# Names that people read, in singular and plural: no column and no row changes.

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('legacy_collector', '0002_only_legacy'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='collectedevent',
            options={'ordering': ['-idempotent_id'], 'verbose_name': 'collected event', 'verbose_name_plural': 'collected events'},
        ),
        migrations.AlterModelOptions(
            name='collectedhourly',
            options={'verbose_name': 'collected hourly count', 'verbose_name_plural': 'collected hourly counts'},
        ),
    ]
