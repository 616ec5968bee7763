"""Admin pages of the queue, of django-q2's tables and of accounts, and what all admin pages share."""

from gateway.admin import accounts, modes, queue, task_queue  # noqa: F401  (each registers its pages)
