import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stats', '0008_read_path'),
    ]

    operations = [
        migrations.CreateModel(
            name='WorkerStart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('host', models.TextField()),
                ('pid', models.IntegerField(help_text='The new process.')),
                ('cause', models.CharField(choices=[('started', 'started'), ('recycled', 'recycled'), ('unexpected end', 'unexpected end'), ('restarted by the supervisor', 'restarted by the supervisor')], max_length=32)),
                ('reason', models.TextField(blank=True, help_text='What was wrong with the one before.')),
            ],
            options={
                'verbose_name': 'worker start',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['started_at'], name='workerstart_started_at')],
            },
        ),
    ]
