"""The control socket of a running filter: made, served, obeyed, taken away, and never in the way of mail."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_api import Decision, Filter, Message, Proceed, Reject, Session, Verdict, in_use
from filter_api.control.client import ask
from filter_api.control.http import Request, Response
from filter_api.files.reloading import ReloadingFile
from filter_api.net.breaker import Breaker
from filter_api.runtime import controlling
from filter_api.runtime.controlling import Control
from filter_api.testing import Player
from tests.support.filter_process import FilterProcess, wait_until

PLAIN = """
import asyncio
from filter_api import *
class Plain(Filter):
    name = "filter-plain"
    def on_mail_from(self, session, sender):
        self.log.debug(session, "thinking", of=sender)
        return Reject(550, "5.7.1", "no") if sender else Proceed()
    async def on_rcpt_to(self, session, recipient):
        await asyncio.sleep(100)
        return Proceed()
main(Plain())
"""
SESSION = "00000000000000aa"
CONNECT = b"report|0.7|1.1|smtp-in|link-connect|00000000000000aa|mx|pass|192.0.2.1:1|192.0.2.2:25\n"
MAIL = b"filter|0.7|1.1|smtp-in|mail-from|00000000000000aa|80|a\x1b@example.net\n"


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield f"{directory}/f.sock"


def get(path: str, what: str, method: str = "GET") -> Any:  # noqa: ANN401 - JSON
    (answer,) = ask([path], what, method, seconds=10)
    assert answer.done, answer.why
    return answer.json() if answer.body.startswith((b"{", b"[")) else answer.body


def test_a_filter_makes_its_socket_tells_of_itself_and_takes_it_away(path: str) -> None:
    with FilterProcess(["-c", PLAIN, "-C", path, "-N", "192.0.2.0/24"]) as smtpd:
        assert not os.path.exists(path)
        smtpd.handshake()
        assert wait_until(lambda: os.path.exists(path))
        assert wait_until(lambda: ask([path], "/ready")[0].done)
        smtpd.write(CONNECT + MAIL)
        assert smtpd.line().endswith(b"|reject|550 5.7.1 no")
        told = get(path, "/status")
        assert told["command"] == f"filter-plain -C {path} -N 192.0.2.0/24"
        assert told["pid"] == smtpd.process.pid
        assert told["smtpd"] == "7.8.0"
        assert told["sessions_open"] == 1
        assert told["members"][0]["decisions"] == [
            {"phase": "mail-from", "verdict": "reject", "reason": "-", "count": 1}
        ]
        assert b'verdict="reject",reason="-"} 1\n' in get(path, "/metrics")
        assert smtpd.hang_up() == 0
        assert not os.path.exists(path)


def test_without_a_directory_and_with_c_none_there_is_no_socket_and_nothing_in_the_log() -> None:
    for arguments in ([], ["-C", "none"]):
        with FilterProcess(["-c", PLAIN, *arguments]) as smtpd:
            smtpd.handshake()
            smtpd.write(MAIL)
            assert smtpd.line().endswith(b"|reject|550 5.7.1 no")
            assert smtpd.hang_up() == 0
            assert "control" not in smtpd.errors()


def test_a_place_that_cannot_be_had_ends_the_filter_before_it_registers(path: str) -> None:
    Path(path).write_text("precious")
    with FilterProcess(["-c", PLAIN, "-C", path]) as smtpd:
        assert smtpd.process.wait(10) == 1
        assert "there is something that is no socket: remove it, or choose another path" in smtpd.errors()
    assert Path(path).read_text() == "precious"


def test_a_socket_left_by_kill_is_replaced_and_that_of_a_living_filter_never(path: str) -> None:
    with FilterProcess(["-c", PLAIN, "-C", path]) as killed:
        killed.handshake()
        assert wait_until(lambda: os.path.exists(path))
        killed.process.kill()
        killed.process.wait()
    assert os.path.exists(path)
    with (
        tempfile.NamedTemporaryFile() as log,
        FilterProcess(["-c", PLAIN, "-C", path]) as first,
        FilterProcess(["-c", PLAIN, "-C", path], stderr=log.fileno()) as second,
    ):
        first.handshake()
        assert wait_until(lambda: ask([path], "/ready")[0].done)
        second.handshake()
        second.write(MAIL)
        assert second.line().endswith(b"|reject|550 5.7.1 no")  # mail goes on without a socket
        told = f'control path={path} error="another process listens there"\n'.encode()
        assert wait_until(lambda: told in Path(log.name).read_bytes())
        assert get(path, "/status")["pid"] == first.process.pid
        assert first.hang_up() == 0
        assert wait_until(lambda: ask([path], "/ready")[0].done)  # and the second takes the place over
        assert get(path, "/status")["pid"] == second.process.pid
        assert second.hang_up() == 0
        assert Path(log.name).read_bytes().count(told) == 1


def test_a_directory_that_is_gone_by_then_is_told_of_and_mail_goes_on(path: str) -> None:
    with Player(Plain()) as smtpd:
        control = Control(smtpd.dispatcher, [f"{path}/x.sock"], "filter-plain", [], unwritten=lambda: 0)

        async def run() -> None:
            control.begin()
            assert control._serving is not None
            await control._serving

        smtpd.loop.run_until_complete(run())
        assert [line for line in smtpd.log if "control" in line] == [
            f'control path={path}/x.sock error="No such file or directory"'
        ]
        assert smtpd.connect().mail_from("").ok


def test_a_session_is_traced_from_the_first_time_somebody_asks(path: str) -> None:
    with FilterProcess(["-c", PLAIN, "-C", path]) as smtpd:
        smtpd.handshake()
        assert wait_until(lambda: ask([path], "/ready")[0].done)
        assert ask([path], f"/trace/{SESSION}")[0].status == 404
        smtpd.write(CONNECT + MAIL)
        assert smtpd.line().endswith(b"|reject|550 5.7.1 no")
        first = get(path, f"/trace/{SESSION}")
        assert first["lines"] == []
        assert first["session"]["client"] == "192.0.2.1"
        assert first["session"]["questions"] == []
        smtpd.write(MAIL + MAIL.replace(b"mail-from", b"rcpt-to"))
        assert smtpd.line().endswith(b"|reject|550 5.7.1 no")
        second = get(path, f"/trace/{SESSION}?{first['next']}")
        assert [line.split(" ")[1] for line in second["lines"]] == ["thinking", "mail-from"]
        assert "of=a\\x1b@example.net" in second["lines"][0]
        assert second["session"]["questions"] == [{"filter": "filter-plain", "what": "rcpt-to"}]
        smtpd.write(b"report|0.7|1.1|smtp-in|link-disconnect|00000000000000aa\n")
        assert wait_until(lambda: get(path, f"/trace/{SESSION}")["session"] is None)


class Plain(Filter):
    """Refuses."""

    reloads = 0

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        self.log.debug(session, "thinking")
        return Reject(550, "5.7.1", "no") if sender else Proceed()

    def reload(self) -> None:
        self.reloads += 1


def answered(control: Control, path: str, method: str = "GET", query: str = "") -> Response:
    return control.answer(Request(method, path, query))


def made(smtpd: Player) -> Control:
    return Control(smtpd.dispatcher, [], "filter-plain", [], unwritten=lambda: 0)


def test_what_does_not_exist_is_404_and_a_wrong_method_405() -> None:
    with Player(Plain()) as smtpd:
        control = made(smtpd)
        for path, method, status, allowed in (
            ("/", "GET", 404, ""),
            ("/log/loud", "POST", 404, ""),
            ("/status", "POST", 405, "GET, HEAD"),
            ("/trace/aa", "DELETE", 405, "GET, HEAD"),
            ("/reload", "GET", 405, "POST"),
            ("/status", "HEAD", 200, ""),
        ):
            response = answered(control, path, method)
            assert (response.status, response.allowed) == (status, allowed), path


def test_a_process_that_ends_before_it_has_a_socket_takes_none_away() -> None:
    with Player(Plain()) as smtpd:
        made(smtpd).close()
        assert smtpd.connect().mail_from("").ok


def test_ready_is_503_until_everything_is_open() -> None:
    with Player(Plain()) as smtpd:
        control = made(smtpd)
        assert answered(control, "/ready").status == 503
        control.ready = True
        assert answered(control, "/ready").status == 200


def test_the_log_of_all_members_becomes_verbose_and_brief() -> None:
    with Player({"a": Plain(), "b": Plain()}) as smtpd:
        control = made(smtpd)
        smtpd.connect().mail_from("")
        assert not any("thinking" in line for line in smtpd.log)
        assert answered(control, "/log/verbose", "POST").status == 200
        assert json.loads(answered(control, "/status").body)["verbose"] is True
        smtpd.connect().mail_from("")
        assert [line.split(":")[0] for line in smtpd.log if "thinking" in line] == ["a", "b"]
        answered(control, "/log/brief", "POST")
        smtpd.connect().mail_from("")
        assert len([line for line in smtpd.log if "thinking" in line]) == 2


def test_reload_reloads_the_members_and_looks_at_every_file(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("good\n")

    files = [ReloadingFile(str(table), list), ReloadingFile(str(table), list)]
    with Player({"a": Plain(), "b": Plain()}) as smtpd:
        control = made(smtpd)
        table.unlink()
        told = {each["path"]: each for each in json.loads(answered(control, "/reload", "POST").body)["files"]}
        assert told[str(table)]["error"] == f"{table}: No such file or directory"
        assert [member.filter.reloads for member in smtpd.members] == [1, 1]  # type: ignore[attr-defined]
        table.write_text("better\n")
        (again,) = [
            each for each in json.loads(answered(control, "/reload", "POST").body)["files"] if each["size"] == 7
        ]
        assert (again["path"], again["error"]) == (str(table), "")
    assert len(files) == 2


def test_daemons_and_queues_are_told_of_once_by_name() -> None:
    class Queue:
        name = "127.0.0.1:1"
        waiting, asking = 3, 2

    first, second = Breaker("127.0.0.1:1", threshold=1), Breaker("127.0.0.1:1", threshold=1)
    queues = [Queue(), Queue()]
    for each in queues:
        in_use.QUEUES.add(each)
    first.failed("refused")
    with Player(Plain()) as smtpd:
        told = json.loads(answered(made(smtpd), "/status").body)
    assert {"name": "127.0.0.1:1", "up": False} in told["backends"]
    assert {"name": "127.0.0.1:1", "waiting": 6, "asking": 4} in told["queues"]
    second.succeeded()


def test_a_trace_that_nobody_asks_for_is_forgotten_and_there_are_eight_at_most() -> None:
    with Player(Plain()) as smtpd:
        control = made(smtpd)
        clients = [smtpd.connect() for _ in range(9)]
        codes = [answered(control, f"/trace/{client.id.decode()}").status for client in clients]
        assert codes == [200] * 8 + [503]
        clients[0].mail_from("")
        body = json.loads(answered(control, f"/trace/{clients[0].id.decode()}", query="x").body)
        assert (len(body["lines"]), body["next"]) == (1, 1)
        smtpd.advance(61)
        assert answered(control, f"/trace/{clients[8].id.decode()}").status == 200
        assert list(smtpd.context.log.traced) == [clients[8].id]
        assert answered(control, "/trace/" + "a" * 20).status == 404


def test_of_a_long_trace_the_last_lines_are_kept() -> None:
    with Player(Plain()) as smtpd:
        control = made(smtpd)
        client = smtpd.connect()
        answered(control, f"/trace/{client.id.decode()}")
        for number in range(250):
            smtpd.context.log.info(smtpd.dispatcher.sessions.open[client.id], "n", number=number)
        body = json.loads(answered(control, f"/trace/{client.id.decode()}", query="240").body)
        assert [line.rpartition("=")[2] for line in body["lines"]] == [str(number) for number in range(240, 250)]
        body = json.loads(answered(control, f"/trace/{client.id.decode()}", query="0").body)
        assert len(body["lines"]) == 200


def test_a_session_with_a_message_tells_who_it_is_and_what_is_held() -> None:
    class Holding(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            answers.append(json.loads(answered(made(smtpd), f"/trace/{session.id.decode()}").body))
            return Verdict(Reject(550, "5.7.1", "no"))

    answers: list[Any] = []
    with Player(Holding()) as smtpd:
        smtpd.connect().mail(b"Subject: x\r\n\r\nhello\r\n", "b@example.org", sender="a@example.net")
    (told,) = answers
    assert told["session"]["sender"] == "a@example.net"
    assert told["session"]["recipients"] == ["b@example.org"]
    assert told["session"]["held"] == "deciding"
    assert told["session"]["held_bytes"] > 20


def test_an_error_of_our_own_ends_the_socket_and_not_the_filter(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_path: str) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(controlling, "listen", broken)
    with Player(Plain()) as smtpd:
        control = Control(smtpd.dispatcher, [path], "filter-plain", [], unwritten=lambda: 0)

        async def run() -> None:
            control.begin()
            assert control._serving is not None
            await control._serving

        smtpd.loop.run_until_complete(run())
        control.close()
        assert any("a mistake" in line for line in smtpd.log)
        assert smtpd.connect().mail_from("").ok


def test_a_second_filter_of_the_same_program_takes_the_next_name_that_is_free(path: str) -> None:
    places = [path, path.replace("f.sock", "f.2.sock")]
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second, Player(Plain()) as smtpd:
        for other, place in zip((first, second), places, strict=True):
            other.bind(place)
            other.listen(1)
        control = Control(smtpd.dispatcher, places, "filter-plain", [], unwritten=lambda: 0)
        smtpd.loop.call_later(5, second.close)
        listener = smtpd.loop.run_until_complete(control._listen())
        assert listener.path == places[1]
        assert len([line for line in smtpd.log if "another process listens there" in line]) == 1
        listener.close()
