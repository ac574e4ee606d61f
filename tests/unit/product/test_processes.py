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


def test_the_first_is_told_to_end_before_the_others() -> None:
    """Caddy hands on what it has accepted; FastAPI must still be there then."""
    code = "import signal, sys, time\ndef end(*_):\n    print('{0}', flush=True); time.sleep({1}); print('{0} ended', flush=True)"
    code += "; sys.exit(0)\nsignal.signal(15, end); print('up', flush=True); time.sleep(60)"
    with family(code.format("first", 0.4), code.format("second", 0)) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        process.send_signal(signal.SIGTERM)
        said = [line for line in process.stdout.read().split("\n") if line and not line.startswith("start:")]
    assert said == ["first", "first ended", "second", "second ended"]


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
