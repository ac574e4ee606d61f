"""moto's server as a process of its own: python -m local_cloud.aws.server PORT RECORDING READY.

moto keeps everything in memory. What it is asked is written to RECORDING and asked again after a restart; the seed makes
it invent the same identifiers. READY is touched when that is done.
"""

from __future__ import annotations

import os
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

SEED = 1


def call(port: int, path: str) -> None:
    """A call of moto's own API."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/moto-api/{path}", method="POST")
    urllib.request.urlopen(request, timeout=600).close()


def teach() -> None:
    """DeleteReceiptRule, which moto lacks: a rule that is not there is no error, a set that is not there is one."""
    from moto.core.responses import EmptyResult
    from moto.ses.exceptions import RuleSetDoesNotExist
    from moto.ses.responses import EmailResponse

    def delete_receipt_rule(self: Any) -> Any:
        rules, name = self.backend.receipt_rule_set, self._get_param("RuleSetName", "")
        if name not in rules:
            raise RuleSetDoesNotExist(f"Rule set does not exist: {name}")
        gone = self._get_param("RuleName", "")
        rules[name].rules = [rule for rule in rules[name].rules if rule["Name"] != gone]
        return EmptyResult()

    EmailResponse.delete_receipt_rule = delete_receipt_rule


def main() -> None:
    """Serve until killed."""
    port, recording, ready = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    ready.unlink(missing_ok=True)
    os.environ["MOTO_RECORDER_FILEPATH"] = str(recording)
    from moto.server import ThreadedMotoServer  # reads the environment

    teach()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    call(port, f"seed?a={SEED}")
    if recording.exists():
        call(port, "recorder/replay-recording")
    call(port, "recorder/start-recording")
    ready.touch()
    threading.Event().wait()


if __name__ == "__main__":
    main()
