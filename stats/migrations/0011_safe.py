from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('stats', '0010_imported_hours'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='event',
            options={'ordering': ['-idempotent_id'], 'permissions': [('export_event', 'Can download events')]},
        ),
        migrations.AlterModelOptions(
            name='pathstatshourly',
            options={'permissions': [('export_pathstatshourly', 'Can download hourly statistics')], 'verbose_name': 'hourly statistics', 'verbose_name_plural': 'hourly statistics'},
        ),
        migrations.AlterModelOptions(
            name='pathstatsdaily',
            options={'permissions': [('export_pathstatsdaily', 'Can download daily statistics')], 'verbose_name': 'daily statistics', 'verbose_name_plural': 'daily statistics'},
        ),
        migrations.AlterModelOptions(
            name='deadletter',
            options={'permissions': [('export_deadletter', 'Can download dead letters')], 'verbose_name': 'dead letter'},
        ),
    ]
