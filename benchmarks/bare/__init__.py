"""A plain django-q2 task per event: what `script/chaos --bare` tries the same faults on. Not shipped."""
