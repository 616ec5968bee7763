"""Hourly counts of the past, from a legacy collector's tables or from files, into rows of their own.

`sources` gives what a file (`formats`, `json_array`) or the collector says, `counts` makes it a count or says
why it is none, `sorting` puts all of them in the order of their hours, `folding` bounds an hour's routes, and
`writing` stores them, as far as the queue path has nothing of their hours. `importer` is the run.
"""
