"""Serves an ASGI application: python -m supercog_shared.serve module:app [--port N] [--host ADDRESS].

The private network of Fly.io is IPv6 and its health checks are IPv4. uvicorn listens on one of them only, so it is
given a socket that takes both. HOST and PORT of the environment count where the command says nothing.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
from types import FrameType

import uvicorn

from supercog_shared import lifecycle

GRACE_SECONDS = 8
EVERYWHERE = ("", "::")


class Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        lifecycle.stop()
        super().handle_exit(sig, frame)


def listen(port: int, host: str = "") -> socket.socket:
    """All addresses of both families if no host is given, or ``::``; IPv4 only where the machine has no IPv6."""
    if host not in EVERYWHERE:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise
            print(f"serve: no IPv6 here ({error.strerror}), IPv4 only", flush=True)
    return socket.create_server(("", port), backlog=1024)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m supercog_shared.serve")
    parser.add_argument("app", help="module:attribute")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8080))
    parser.add_argument("--host", default=os.environ.get("HOST") or "", help="default: every address, IPv6 and IPv4")
    options = parser.parse_args()
    # Query strings carry codes and tokens, so requests are logged by the proxy in front, which leaves those out.
    config = uvicorn.Config(
        options.app, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, server_header=False, proxy_headers=False
    )
    server = Server(config)
    listener = listen(options.port, options.host)
    print(f"serve: {options.app} on port {options.port}", flush=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises it again after a clean end; that end is a success
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(3)


if __name__ == "__main__":
    main()
