import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stats', '0011_consumer_per_second'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertChannel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('kind', models.CharField(choices=[('email', 'e-mail'), ('webhook', 'webhook')], help_text="Can't be changed later.", max_length=10, verbose_name='kind')),
                ('target', models.TextField(help_text='E-mail addresses with commas between, or the URL that is posted to.', verbose_name='address')),
                ('is_enabled', models.BooleanField(default=True, help_text='Off: what waits for it is given up.', verbose_name='switched on')),
                ('secret', models.TextField(default='', editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'verbose_name': 'alert channel',
                'verbose_name_plural': 'alert channels',
                'permissions': [('test_alertchannel', 'Can send test messages')],
            },
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('measure', models.CharField(choices=[('server_error_rate', 'server errors (5xx)'), ('error_rate', 'errors (4xx and 5xx)'), ('p95', '95th percentile of the response times'), ('traffic_jump', 'more traffic than a week before'), ('traffic_drop', 'less traffic than a week before'), ('backlog', 'events in the queue'), ('oldest_age', 'age of the oldest batch in the queue'), ('dead_letters', 'dead letters that wait for a decision'), ('heartbeat_age', 'silence of the consumer'), ('fallback', 'events that wait in the fallback')], help_text="Can't be changed later.", max_length=20, verbose_name='measured')),
                ('route', models.CharField(blank=True, help_text='Only this route; * stands for any text. Empty: all. For errors, times and traffic.', max_length=512, verbose_name='route')),
                ('bound', models.FloatField(help_text='In percent, milliseconds, events, seconds or dead letters, as the measure is.', verbose_name='fires from')),
                ('clears_at', models.FloatField(blank=True, help_text='This value or less; between both nothing changes. Empty: four fifths of the bound.', verbose_name='clears at')),
                ('hold_minutes', models.PositiveSmallIntegerField(default=3, help_text='So long it must be reached.', validators=[django.core.validators.MaxValueValidator(1440)], verbose_name='minutes until it fires')),
                ('clear_minutes', models.PositiveSmallIntegerField(default=5, help_text='So long it must be well.', validators=[django.core.validators.MaxValueValidator(1440)], verbose_name='minutes until it clears')),
                ('cool_down_minutes', models.PositiveSmallIntegerField(default=10, help_text='Between two messages of this rule. What comes back sooner is the same alert.', validators=[django.core.validators.MaxValueValidator(1440)], verbose_name='cool-down, minutes')),
                ('minimum_requests', models.PositiveIntegerField(default=50, help_text='With fewer in five minutes nothing is said. For errors, times and traffic.', verbose_name='smallest number of requests')),
                ('severity', models.CharField(choices=[('warning', 'warning'), ('critical', 'critical')], default='warning', max_length=10, verbose_name='severity')),
                ('is_enabled', models.BooleanField(default=True, verbose_name='switched on')),
                ('shipped_as', models.CharField(editable=False, max_length=32, null=True, unique=True)),
                ('channels', models.ManyToManyField(blank=True, help_text='Where its messages go. Without any it is shown here only.', related_name='rules', to='stats.alertchannel', verbose_name='channels')),
            ],
            options={
                'verbose_name': 'alert rule',
                'verbose_name_plural': 'alert rules',
            },
        ),
        migrations.CreateModel(
            name='AlertState',
            fields=[
                ('rule', models.OneToOneField(db_index=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='state', serialize=False, to='stats.alertrule')),
                ('phase', models.CharField(choices=[('ok', 'well'), ('pending', 'bound reached'), ('firing', 'firing'), ('clearing', 'clearing')], default='ok', max_length=10)),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When the phase began.')),
                ('told_at', models.DateTimeField(help_text='When its last message was made.', null=True)),
                ('measured_at', models.DateTimeField(null=True)),
                ('value', models.FloatField(help_text='Null: could not be measured.', null=True)),
                ('detail', models.TextField(blank=True, help_text='What the value is made of, or why there is none.')),
            ],
            options={
                'verbose_name': 'state of a rule',
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('severity', models.CharField(choices=[('warning', 'warning'), ('critical', 'critical')], max_length=10)),
                ('bound', models.FloatField(help_text="The rule's, when it fired.")),
                ('began_at', models.DateTimeField(help_text='When the bound was reached.')),
                ('ended_at', models.DateTimeField(null=True)),
                ('worst_value', models.FloatField()),
                ('last_value', models.FloatField()),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('acknowledged_by', models.TextField(blank=True, default='')),
                ('note', models.TextField(blank=True, default='')),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='stats.alertrule')),
            ],
            options={
                'verbose_name': 'alert',
                'verbose_name_plural': 'alerts',
                'permissions': [('acknowledge_alert', 'Can acknowledge alert')],
            },
        ),
        migrations.CreateModel(
            name='AlertDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, help_text='The same each time it is sent.', unique=True)),
                ('kind', models.CharField(choices=[('fired', 'fired'), ('resolved', 'resolved'), ('test', 'test')], max_length=10)),
                ('payload', models.JSONField()),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('sent', 'sent'), ('given_up', 'given up')], default='waiting', max_length=10)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('next_attempt_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('give_up_at', models.DateTimeField(help_text='An attempt that fails after this is the last one.')),
                ('settled_at', models.DateTimeField(help_text='When it was sent or given up.', null=True)),
                ('error', models.TextField(blank=True, default='', help_text='Of the last attempt.')),
                ('alert', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='stats.alert')),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='stats.alertchannel')),
            ],
            options={
                'verbose_name': 'alert message',
                'verbose_name_plural': 'alert messages',
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['next_attempt_at'], name='alertdelivery_waiting'), models.Index(fields=['created_at'], name='alertdelivery_created_at')],
            },
        ),
        migrations.AddConstraint(
            model_name='alertrule',
            constraint=models.CheckConstraint(condition=models.Q(('bound__gt', models.F('clears_at'))), name='alertrule_clears_below'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(models.OrderBy(models.F('ended_at'), descending=True, nulls_first=True), models.OrderBy(models.F('id'), descending=True), name='alert_open_first'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('rule',), name='alert_one_open'),
        ),
    ]
