"""How the product's processes listen, start and end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from supercog_dashboard import start
from supercog_engine import work
from supercog_shared import serve

SCRIPT = """
import sys
from supercog_dashboard.start import Family
raise SystemExit(Family([[sys.executable, "-c", code] for code in sys.argv[1:]]).wait())
"""
SLEEPER = "import time; time.sleep(60)"


def test_one_socket_takes_both_families() -> None:
    with serve.listen(0) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 2).close()
        if listener.family == socket.AF_INET6:
            socket.create_connection(("::1", port), 2).close()


def test_without_ipv6_it_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with serve.listen(0) as listener:
        assert listener.family == socket.AF_INET


def test_a_port_in_use_is_an_error() -> None:
    with serve.listen(0) as listener, pytest.raises(OSError, match="in use"):
        serve.listen(listener.getsockname()[1])


def family(*codes: str) -> subprocess.Popen[str]:
    dashboard = Path(start.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(dashboard)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *codes], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("pass", 1), ("import os; os.abort()", 1)])
def test_when_one_ends_all_end_and_it_is_a_failure(code: str, status: int) -> None:
    with family(SLEEPER, code) as process:
        assert process.wait(10) == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_is_a_success(number: int) -> None:
    told = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True); time.sleep(60)"
    )
    with family(told) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5


SLOW = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep({pause}), os.write(1, b"{name}\\n"), sys.exit(0)))
os.write(1, b"up\\n")
time.sleep(20)
"""


def test_the_front_ends_before_what_answers_behind_it() -> None:
    """The first takes half a second to end; until then the second is not asked to."""
    with family(SLOW.format(pause=0.5, name="front"), SLOW.format(pause=0, name="behind")) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        said = [line for line in process.stdout.read().splitlines() if not line.startswith("start:")]
    assert said == ["front", "behind"]


@pytest.mark.parametrize("host", ["", "::"])
def test_everywhere_is_both_families(host: str) -> None:
    with serve.listen(0, host) as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), 2).close()


def test_host_and_port_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "made_app.py").write_text("import fastapi\n\napp = fastapi.FastAPI()\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    found = os.pathsep.join([str(Path(serve.__file__).parents[1]), str(tmp_path)])
    environment = os.environ | {"PYTHONPATH": found, "HOST": "127.0.0.1", "PORT": str(port)}
    command = [sys.executable, "-m", "supercog_shared.serve", "made_app:app"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            for _ in range(100):
                if socket.socket().connect_ex(("127.0.0.1", port)) == 0:
                    break
                time.sleep(0.1)
            assert socket.socket().connect_ex(("127.0.0.1", port)) == 0
            assert socket.socket(socket.AF_INET6).connect_ex(("::1", port)) != 0
        finally:
            process.terminate()
        assert process.wait(15) == 0


def test_a_caddyfile_for_another_port_is_refused() -> None:
    start.check_port("http://:3000 {\n}\n", "3000")
    with pytest.raises(SystemExit, match="4000"):
        start.check_port("http://:3000 {\n}\nhttp://:40001 {\n}\n", "4000")


def test_the_work_is_the_same_every_time() -> None:
    text = "Hello there. The invoice arrived; pay the invoice! Bye."
    assert work.answer(text) == {
        "words": 9,
        "sentences": 3,
        "keywords": ["invoice", "arrived", "bye", "hello", "pay"],
        "summary": "The invoice arrived; pay the invoice!",
    }
    assert work.answer("…")["words"] == 0
    assert sum(value * value for value in work.embedding("")) == pytest.approx(1)
    assert sum(value * value for value in work.embedding(text)) == pytest.approx(1)
