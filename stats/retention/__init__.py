"""Retention: what is kept for how long, and how it goes without being in anybody's way.

days       which days are due to be archived, dropped, or to lose their hours
waiting    days for which events still wait somewhere
archiving  days that are over into the archive
dropping   a day's partition out of the event table: sealed and detached at once, dropped after it
hours      hourly statistics of days whose daily ones hold it all
rows       dead letters, timings, starts and django-q2's tasks
files      the archive itself
run        all of it, once
"""

from stats.retention.archiving import archive_due
from stats.retention.run import Summary, apply, plan

__all__ = ["Summary", "apply", "archive_due", "plan"]
