"""The libraries of others that this suite needs, and what to tell where one is missing."""

from __future__ import annotations

import importlib.util
from typing import Final

LIBRARIES: Final = {
    "dns": ("dnspython", "Debian: apt install python3-dnspython; OpenBSD: pkg_add py3-dnspython"),
    "cryptography": ("cryptography", "Debian: apt install python3-cryptography; OpenBSD: pkg_add py3-cryptography"),
}
"""Module → its project's name, and how it is installed."""


def missing() -> str:
    """What this Python lacks, with the remedy; empty if it has all. Nothing is imported, so this costs little."""
    for module, (project, remedy) in LIBRARIES.items():
        if importlib.util.find_spec(module) is None:
            return f"this Python has no {project}, which is needed: {remedy}"
    return ""
