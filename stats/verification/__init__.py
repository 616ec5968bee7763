"""Whether both paths count the same: `verify` compares them, `text` says it to a person, `store` keeps it."""

from stats.verification.kept import store
from stats.verification.shapes import Report, Verdict
from stats.verification.verify import verify

__all__ = ["Report", "Verdict", "store", "verify"]
