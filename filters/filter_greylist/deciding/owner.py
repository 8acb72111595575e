"""The filter, as far as what it does beside its decisions needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from filter_api.log import Logger
from filter_api.options import CommonOptions
from filter_greylist.deciding.clock import SteadyClock
from filter_greylist.deciding.trap import LowPriorityMx
from filter_greylist.options import Options
from filter_greylist.store.background import Background
from filter_greylist.store.base import Store


class Owner(Protocol):
    """clock, low_mx: those of the time since it started. monotonic: seconds of a clock that nobody sets.

    wall: seconds since 1970.
    """

    own: Options
    options: CommonOptions
    log: Logger
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    store: Store
    clock: SteadyClock
    low_mx: LowPriorityMx
    background: Background
