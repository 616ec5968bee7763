import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0004_queue_permissions'),
    ]

    operations = [
        migrations.CreateModel(
            name='LoginFailures',
            fields=[
                ('key', models.CharField(help_text='Whose they are, hashed under a key.', max_length=48, primary_key=True, serialize=False)),
                ('failures', models.PositiveIntegerField()),
                ('last_failed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_until', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='No try is looked at before.')),
            ],
            options={
                'verbose_name': 'failed log-ins',
                'verbose_name_plural': 'failed log-ins',
                'default_permissions': (),
            },
        ),
    ]
