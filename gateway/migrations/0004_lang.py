# Names that people read, in singular and plural: no column and no row changes.

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0003_modes_timings_drills'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='fallbackdrill',
            options={'ordering': ['-id'], 'verbose_name': 'fallback drill', 'verbose_name_plural': 'fallback drills'},
        ),
        migrations.AlterModelOptions(
            name='timing',
            options={'verbose_name': 'timing', 'verbose_name_plural': 'timings'},
        ),
        migrations.AlterField(
            model_name='modechange',
            name='mode',
            field=models.CharField(choices=[('legacy', 'legacy: the collector only'), ('dual', 'dual: queue and collector'), ('sample', 'sample: the queue, and the collector for a share'), ('queue', 'queue: the collector only where the queue refuses')], max_length=10, verbose_name='mode'),
        ),
        migrations.AlterField(
            model_name='modechange',
            name='note',
            field=models.TextField(blank=True, verbose_name='note'),
        ),
        migrations.AlterField(
            model_name='modechange',
            name='sample_rate',
            field=models.FloatField(default=0.01, help_text='Share of the events that the collector gets, too, in mode sample; 0.01 is 1 %.', validators=[django.core.validators.MinValueValidator(1e-06), django.core.validators.MaxValueValidator(1)], verbose_name='sample rate'),
        ),
    ]
