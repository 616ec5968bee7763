"""A straightforward project that stores and counts events by a task queue: `consumer` is measured beside it.

It writes into Tallygate's own event table, with its partitions and indexes, and keeps hourly counts in a
table of its own, without the summaries. Nothing of Tallygate runs in its workers. Not shipped.
"""
