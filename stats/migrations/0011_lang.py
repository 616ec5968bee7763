# Names that people read, in singular and plural: no column and no row changes.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stats', '0010_imported_hours'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='archivedfile',
            options={'verbose_name': 'archived file', 'verbose_name_plural': 'archived files'},
        ),
        migrations.AlterModelOptions(
            name='event',
            options={'ordering': ['-idempotent_id'], 'verbose_name': 'event', 'verbose_name_plural': 'events'},
        ),
        migrations.AlterModelOptions(
            name='importedhourly',
            options={'verbose_name': 'imported hour', 'verbose_name_plural': 'imported hours'},
        ),
        migrations.AlterModelOptions(
            name='snapshot',
            options={'verbose_name': 'snapshot', 'verbose_name_plural': 'snapshots'},
        ),
        migrations.AlterModelOptions(
            name='topvaluesdaily',
            options={'verbose_name': 'daily frequent values', 'verbose_name_plural': 'daily frequent values'},
        ),
        migrations.AlterModelOptions(
            name='topvalueshourly',
            options={'verbose_name': 'hourly frequent values', 'verbose_name_plural': 'hourly frequent values'},
        ),
        migrations.AlterModelOptions(
            name='totalsdaily',
            options={'verbose_name': 'daily total', 'verbose_name_plural': 'daily totals'},
        ),
        migrations.AlterModelOptions(
            name='totalshourly',
            options={'verbose_name': 'hourly total', 'verbose_name_plural': 'hourly totals'},
        ),
        migrations.AlterModelOptions(
            name='trafficday',
            options={'ordering': ['-day'], 'verbose_name': 'day', 'verbose_name_plural': 'days'},
        ),
        migrations.AlterModelOptions(
            name='verificationreport',
            options={'ordering': ['-id'], 'verbose_name': 'verification', 'verbose_name_plural': 'verifications'},
        ),
        migrations.AlterModelOptions(
            name='workerstart',
            options={'ordering': ['-id'], 'verbose_name': 'worker start', 'verbose_name_plural': 'worker starts'},
        ),
        migrations.AlterField(
            model_name='apitoken',
            name='name',
            field=models.CharField(help_text='Who or what uses it.', max_length=100, verbose_name='name'),
        ),
        migrations.AlterField(
            model_name='archivedfile',
            name='day_version',
            field=models.BigIntegerField(help_text='Of the day when it was written.', verbose_name="day's version"),
        ),
        migrations.AlterField(
            model_name='archivedfile',
            name='first_id',
            field=models.CharField(db_collation='C', max_length=22, verbose_name='first id'),
        ),
        migrations.AlterField(
            model_name='archivedfile',
            name='last_id',
            field=models.CharField(db_collation='C', max_length=22, verbose_name='last id'),
        ),
        migrations.AlterField(
            model_name='archivedfile',
            name='part',
            field=models.PositiveIntegerField(verbose_name='part'),
        ),
        migrations.AlterField(
            model_name='pathstatsdaily',
            name='status_1xx',
            field=models.BigIntegerField(default=0, verbose_name='status 1xx'),
        ),
        migrations.AlterField(
            model_name='pathstatsdaily',
            name='status_2xx',
            field=models.BigIntegerField(default=0, verbose_name='status 2xx'),
        ),
        migrations.AlterField(
            model_name='pathstatsdaily',
            name='status_3xx',
            field=models.BigIntegerField(default=0, verbose_name='status 3xx'),
        ),
        migrations.AlterField(
            model_name='pathstatsdaily',
            name='status_4xx',
            field=models.BigIntegerField(default=0, verbose_name='status 4xx'),
        ),
        migrations.AlterField(
            model_name='pathstatsdaily',
            name='status_5xx',
            field=models.BigIntegerField(default=0, verbose_name='status 5xx'),
        ),
        migrations.AlterField(
            model_name='pathstatshourly',
            name='status_1xx',
            field=models.BigIntegerField(default=0, verbose_name='status 1xx'),
        ),
        migrations.AlterField(
            model_name='pathstatshourly',
            name='status_2xx',
            field=models.BigIntegerField(default=0, verbose_name='status 2xx'),
        ),
        migrations.AlterField(
            model_name='pathstatshourly',
            name='status_3xx',
            field=models.BigIntegerField(default=0, verbose_name='status 3xx'),
        ),
        migrations.AlterField(
            model_name='pathstatshourly',
            name='status_4xx',
            field=models.BigIntegerField(default=0, verbose_name='status 4xx'),
        ),
        migrations.AlterField(
            model_name='pathstatshourly',
            name='status_5xx',
            field=models.BigIntegerField(default=0, verbose_name='status 5xx'),
        ),
        migrations.AlterField(
            model_name='readchange',
            name='note',
            field=models.TextField(blank=True, verbose_name='note'),
        ),
        migrations.AlterField(
            model_name='readcomparison',
            name='report',
            field=models.CharField(choices=[('overview', 'overview'), ('timeseries', 'timeseries'), ('routes', 'routes'), ('route', 'one route')], max_length=20, verbose_name='report'),
        ),
        migrations.AlterField(
            model_name='totalsdaily',
            name='status_1xx',
            field=models.BigIntegerField(default=0, verbose_name='status 1xx'),
        ),
        migrations.AlterField(
            model_name='totalsdaily',
            name='status_2xx',
            field=models.BigIntegerField(default=0, verbose_name='status 2xx'),
        ),
        migrations.AlterField(
            model_name='totalsdaily',
            name='status_3xx',
            field=models.BigIntegerField(default=0, verbose_name='status 3xx'),
        ),
        migrations.AlterField(
            model_name='totalsdaily',
            name='status_4xx',
            field=models.BigIntegerField(default=0, verbose_name='status 4xx'),
        ),
        migrations.AlterField(
            model_name='totalsdaily',
            name='status_5xx',
            field=models.BigIntegerField(default=0, verbose_name='status 5xx'),
        ),
        migrations.AlterField(
            model_name='totalshourly',
            name='status_1xx',
            field=models.BigIntegerField(default=0, verbose_name='status 1xx'),
        ),
        migrations.AlterField(
            model_name='totalshourly',
            name='status_2xx',
            field=models.BigIntegerField(default=0, verbose_name='status 2xx'),
        ),
        migrations.AlterField(
            model_name='totalshourly',
            name='status_3xx',
            field=models.BigIntegerField(default=0, verbose_name='status 3xx'),
        ),
        migrations.AlterField(
            model_name='totalshourly',
            name='status_4xx',
            field=models.BigIntegerField(default=0, verbose_name='status 4xx'),
        ),
        migrations.AlterField(
            model_name='totalshourly',
            name='status_5xx',
            field=models.BigIntegerField(default=0, verbose_name='status 5xx'),
        ),
        migrations.AlterField(
            model_name='trafficday',
            name='version',
            field=models.BigIntegerField(db_default=1, verbose_name='version'),
        ),
        migrations.AlterField(
            model_name='workerstart',
            name='pid',
            field=models.IntegerField(help_text='The new process.', verbose_name='process'),
        ),
    ]
