"""Confine this process by what its system has, or tell what there is.

    confined = confine(needs)       # before the process has a second thread
    settle(needs)                   # when all modules are loaded
    offer().summary()               # for `filterctl doctor`: what could be in force

What uses ctypes is imported here when it is wanted: that takes some 2 ms.
"""

from __future__ import annotations

import sys

from filter_api.confinement.confined import Confined
from filter_api.confinement.needs import Needs


def confine(needs: Needs) -> Confined:
    """Leave to this process what it needs, for good. Never raises: `Confined.missing` tells what could not be had."""
    try:
        if sys.platform == "linux":
            from filter_api.confinement import kernel, linux

            return linux.confine(needs, kernel.Kernel())
        if sys.platform.startswith("openbsd"):
            from filter_api.confinement import openbsd

            return openbsd.confine(needs, openbsd.RealLibc())
    except (ImportError, AttributeError, OSError, ValueError) as error:  # no ctypes, no such call in the C library
        return Confined((), (str(error),))
    return Confined((), (_unknown(),))


def settle(needs: Needs) -> None:
    """Take away what only loading modules needed; where there is nothing of the kind, nothing. Raises OSError."""
    if sys.platform.startswith("openbsd"):
        from filter_api.confinement import openbsd

        openbsd.settle(needs, openbsd.RealLibc())


def offer() -> Confined:
    """What this system has to confine a process, without doing it."""
    try:
        if sys.platform == "linux":
            from filter_api.confinement import kernel, linux

            return linux.offer(kernel.Kernel())
        if sys.platform.startswith("openbsd"):
            from filter_api.confinement import openbsd

            openbsd.RealLibc()
            return Confined(("pledge", "unveil"))
    except (ImportError, AttributeError, OSError) as error:
        return Confined((), (str(error),))
    return Confined((), (_unknown(),))


def _unknown() -> str:
    return f"no way is known on {sys.platform}"
