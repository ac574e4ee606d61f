#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_check
short_description: Check that this machine can run containers and has room and free ports
version_added: 0.1.0
description:
  - Asks the Docker engine for an answer, the disk for room and the ports for being free. Changes nothing.
  - All problems are reported together.
options:
  docker_socket:
    description: Socket of the Docker engine.
    type: path
    default: /var/run/docker.sock
  path:
    description: Folder on the disk to look at.
    type: path
    default: "."
  min_free_gb:
    description: Free room that is needed, in GB.
    type: float
    default: 0.0
  ports:
    description: Ports of 127.0.0.1 that must be free.
    type: list
    elements: int
    default: []
  running_url:
    description:
      - Where what needs the room and the ports answers with JSON once it runs. If its C(instance) is O(running_instance),
        room and ports are not looked at.
    type: str
  running_instance:
    description: What it calls itself.
    type: str
  port_variable:
    description: Variable to name when a port is taken.
    type: str
    default: ports
extends_documentation_fragment:
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Check this machine
  opsmap.cloud.controller_check:
    min_free_gb: 5
    ports: [10000, 10001]
"""

RETURN = r"""
problems:
  description: What was found, empty on success.
  returned: success
  type: list
  elements: str
  sample: []
"""

import json
import os
import shutil
import socket
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._module import run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

SPEC: dict[str, Any] = {
    "argument_spec": {
        "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
        "path": {"type": "path", "default": "."},
        "min_free_gb": {"type": "float", "default": 0.0},
        "ports": {"type": "list", "elements": "int", "default": []},
        "running_url": {"type": "str"},
        "running_instance": {"type": "str"},
        "port_variable": {"type": "str", "default": "ports"},
    },
}


def docker_problem(path: str) -> str | None:
    """Why the Docker engine does not answer, or None."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        try:
            connection.connect(path)
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            answer = connection.recv(64)
        except PermissionError:
            return f"docker_socket: no right to use {path}; add yourself to the group docker"
        except OSError as error:
            return f"docker_socket: Docker does not answer at {path} ({error.strerror or error}); start it: make up"
    return None if b" 200 " in answer else f"docker_socket: Docker at {path} answers {answer[:40]!r}; restart it"


def disk_problem(path: str, needed_gb: float) -> str | None:
    """Why the disk is too full, or None."""
    while not os.path.exists(path):
        path = os.path.dirname(path) or "."
    free_gb = shutil.disk_usage(path).free / 1e9
    if free_gb >= needed_gb:
        return None
    return f"min_free_gb: {free_gb:.1f} GB are free at {path}, {needed_gb:g} GB are needed; make room"


def port_problem(port: int, variable: str) -> str | None:
    """Why the port cannot be used, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            return f"{variable}: port {port} cannot be used ({error}); stop what uses it or choose another"
    return None


def runs(url: str | None, instance: str | None) -> bool:
    """Whether what needs room and ports has them already."""
    if not url or not url.startswith("http://"):
        return False
    try:
        return bool(json.loads(open_url(url, timeout=5).read()).get("instance") == instance)
    except (OSError, ValueError, AttributeError):  # nothing, or something else, answers there
        return False


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Look at everything, then report everything."""
    found = [docker_problem(params["docker_socket"])]
    if not runs(params["running_url"], params["running_instance"]):
        found.append(disk_problem(params["path"], params["min_free_gb"]))
        found += [port_problem(port, params["port_variable"]) for port in params["ports"]]
    problems = [problem for problem in found if problem]
    if problems:
        raise CloudError("\n".join(problems), code="refused")
    return {"changed": False, "problems": []}


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
