"""What filterctl asks of filter-spamassassin(8): ``filterctl doctor`` calls `examine`."""

from __future__ import annotations

from filter_spamassassin.examine import examine

__all__ = ["examine"]
