"""A Django app that stands in for a bug in native code: the event with `DEADLY` in its path is the end."""
