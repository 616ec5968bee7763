import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stats', '0009_worker_starts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ImportedHourly',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('route', models.TextField(db_collation='C')),
                ('hour', models.DateTimeField()),
                ('requests', models.BigIntegerField()),
                ('errors', models.BigIntegerField(help_text='Requests with a status of 400 or more.')),
                ('source', models.TextField(help_text='`collector`, or the name of the file.')),
                ('imported_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When it was last written.')),
                ('superseded_at', models.DateTimeField(help_text="When the queue path's own rows of this hour were dropped.", null=True)),
            ],
            options={
                'verbose_name': 'imported hour',
                'indexes': [models.Index(fields=['-hour'], include=['route'], name='importedhourly_hour')],
                'constraints': [models.UniqueConstraint(fields=('route', 'hour'), name='importedhourly_route_hour')],
            },
        ),
    ]
