"""A paginator whose count reads a bounded number of rows, however large the table is."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

CAP = 10_000


class CappedCount(int):
    """A count that went past the cap, and says so wherever it is shown."""

    def __str__(self) -> str:
        return f"{CAP:,}+"


class CappedPaginator(Paginator):
    """Pages through the first `CAP` rows; what lies behind them is found by searching.

    A count of all rows, and an OFFSET of millions, would read them all for every page shown.
    """

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        found = rows.order_by()[: CAP + 1].count()
        return CappedCount(CAP) if found > CAP else found
