"""``filterctl lists update``: fetch what is due, check it, compile it, put it in the place of the last good version.

Each list is a matter of its own: what is wrong with one keeps none of the others from being updated.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final, NamedTuple

from filter_api.bounds import BLOCK, LIST_SECONDS
from filter_api.errors import ConfigError, named, reason
from filter_api.files.compiled import BESIDE, read_compiled, write_compiled
from filter_api.files.networks import items_of, networks_of
from filter_api.files.ranges import UNROUTABLE, Built
from filter_api.files.reloading import ReloadingFile, open_regular
from filter_api.text.addresses import Network
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError
from filter_lists.book import compiled_path
from filter_lists.conf import Source
from filter_lists.tool.expiring import Expiring
from filter_lists.tool.published import ListRefused, Reading, read_published
from filter_lists.tool.state import State, read_state, write_state
from filter_lists.tool.streams import lines_of, unpacked

Blocks = Generator[bytes, None, None]
Runner = Callable[[Sequence[str]], Blocks]
"""Starts a command from its words and gives what it prints. Only filterctl has one: filters start nothing."""

SMALL: Final = 50
"""Up to so many entries a list may shrink and grow as it likes."""

MOST: Final = {4: (1 << 31, "half of all addresses"), 6: (1 << 116, "a /12")}
"""How much of the internet a list may hold in all, by IP version: more than any country has, much less than all."""


class Job(NamedTuple):
    """One run. force: whatever is due, and whatever the sizes are. own: networks that no list may hold (-N)."""

    directory: str
    run: Runner
    force: bool = False
    verbose: bool = False
    own: tuple[Network, ...] = ()


def update(sources: Sequence[Source], job: Job) -> int:
    """Update what is due: the exit status, 1 if something failed. Raises ConfigError for the directory."""
    with _alone(job.directory) as first:
        if not first:
            print("filterctl: lists update is already running", file=sys.stderr)
            return 0
        return max([_update_one(source, job) for source in sources if source.compiled], default=0)


def own_networks(value: str) -> tuple[Network, ...]:
    """The networks of -N: a comma list, or a file. Raises ConfigError."""
    if value.startswith("/"):
        return ReloadingFile(value, _networks, expiring=True).current()
    try:
        return _networks([Line(0, value.encode())])
    except LineError as error:
        raise ConfigError(f"-N: {error}") from None


def _networks(lines: Sequence[Line]) -> tuple[Network, ...]:
    found: list[Network] = []
    for number, text in lines:
        for item in items_of(text.decode("ascii", "surrogateescape")):
            try:
                found.extend(networks_of(item))
            except ValueError as error:
                raise LineError(number, str(error)) from None
    return tuple(found)


def _update_one(source: Source, job: Job) -> int:
    """Update one list; 1 if it failed, and one line says why."""
    from filter_lists.tool.fetch import FETCH_ERRORS, time_limit, why

    state = read_state(job.directory, source)
    now = time.time()
    due = state.asked + 0.9 * (source.every or 0.0)  # a little early, as cron is never on time
    if not job.force and state.asked <= now < due and not state.has_expired(now):
        _tell(job, source, "not due yet")
        return 0
    try:
        with time_limit(LIST_SECONDS):
            _take(source, job, state, now)
    except (ListRefused, ConfigError, *FETCH_ERRORS) as error:
        text = str(error) if isinstance(error, ListRefused | ConfigError) else why(error)
        print(f"filterctl: {source.name}: {text}; {_kept(source, job)}", file=sys.stderr)
        return 1
    return 0


def _take(source: Source, job: Job, state: State, now: float) -> None:
    """Fetch, check and put in place. Raises ListRefused and what fetching raises."""
    path = compiled_path(job.directory, source)
    usable = _usable(path)
    own = hashlib.sha256(" ".join(map(str, job.own)).encode()).hexdigest()
    # With other networks of ours it is compiled anew, although it may be as it was; after the clock was set back, too.
    known = usable and not job.force and state.own == own and state.asked <= now and not state.has_expired(now)
    fetched = _open(source, state if known else State(), job.run)
    if fetched is None:
        os.utime(path)
        state.asked = now
        write_state(job.directory, source, state)
        _tell(job, source, "as it was")
        return
    blocks, etag, modified = fetched
    expiring = Expiring(now)
    with contextlib.closing(blocks):
        lines = lines_of(unpacked(blocks))
        reading = read_published(expiring.living(lines) if source.method == "file" else lines)
    built = reading.builder.build((*UNROUTABLE, *job.own))
    entries = reading.builder.entries + expiring.gone  # an entry that expired has not been lost
    if not job.force:
        if not (built.ranges or expiring.gone or source.empty_ok):
            raise ListRefused("empty (empty=ok in lists.conf takes it, and -f does once)")
        _check_size(source, built, entries, state.entries if usable else 0)
    write_compiled(path, built.ranges)
    new = State(source.shown, etag, modified, now, now, entries, state.entries)
    new.loose, new.bad, new.cut, new.own = reading.loose, reading.bad, built.cut, own
    new.gone, new.expires = expiring.gone, expiring.next
    write_state(job.directory, source, new)
    _tell(job, source, _summary(new, reading))


def _open(source: Source, state: State, run: Runner) -> tuple[Blocks, str, str] | None:
    """The bytes of a list, and what its version is called; None if it is as it was."""
    if source.method == "exec":
        return run(source.target.split()), "", ""
    if source.method == "file":
        with named(source.target):
            status = os.stat(source.target)
        version = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"
        return None if version == state.etag else (_file_blocks(source.target), version, "")
    from filter_lists.tool.fetch import open_url

    return open_url(source.target, state.etag, state.modified)


def _file_blocks(path: str) -> Blocks:
    with named(path), open(open_regular(path), "rb") as file:
        while block := file.read(BLOCK):
            yield block


def _check_size(source: Source, built: Built, count: int, before: int) -> None:
    """Raise ListRefused for a list of quite another size than it was."""
    for version, (most, in_words) in MOST.items():
        if built.ranges.addresses(version) > most:
            raise ListRefused(f"in all it holds more than {in_words} of IPv{version}; -f takes it")
    if before > SMALL and count * 2 < before and (count or not source.empty_ok):
        raise ListRefused(f"it shrank from {before} entries to {count}; -f takes it")
    if before > 0 and count > max(10 * before, SMALL):
        raise ListRefused(f"it grew from {before} entries to {count}; -f takes it")


def _usable(path: str) -> bool:
    try:
        read_compiled(path)
    except ConfigError:
        return False
    return True


def _kept(source: Source, job: Job) -> str:
    path = compiled_path(job.directory, source)
    if not _usable(path):
        return "there is no older version"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(os.stat(path).st_mtime))
    return f"the version of {when} stays in use"


def _summary(state: State, reading: Reading) -> str:
    parts = [f"{state.entries} entries (before: {state.previous})"]
    parts += [f"{reading.bad} lines not understood, the first is {reading.first_bad}"] if reading.bad else []
    parts += [f"{reading.loose} with host bits"] if reading.loose else []
    parts += [f"{state.gone} of them expired"] if state.gone else []
    parts += [f"{state.cut} ranges cut, as they hold addresses that no list may hold"] if state.cut else []
    return ", ".join(parts)


def _tell(job: Job, source: Source, text: str) -> None:
    if job.verbose:
        print(f"{source.name}: {text}")


@contextlib.contextmanager
def _alone(directory: str) -> Iterator[bool]:
    """Whether no other update runs in this directory. Raises ConfigError if it cannot be used."""
    try:
        lock = os.open(os.path.join(directory, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{printable(directory)}: {reason(error)}; it must be there, and belong to the user who runs this"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            for name in os.listdir(directory):
                if name.startswith(BESIDE):  # of an update that was killed
                    os.unlink(os.path.join(directory, name))
            yield True
    finally:
        os.close(lock)
