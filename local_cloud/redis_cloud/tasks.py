"""Tasks: everything that changes is accepted first and done later, one at a time for an account (reference redis-cloud 3)."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now
from local_cloud.problems import problem

Work = Callable[[], Awaitable[dict[str, Any]]]


class TaskError(Exception):
    """A task that ends in ``processing-error``."""

    def __init__(self, kind: str, description: str, status: str = "400 BAD_REQUEST") -> None:
        super().__init__(description)
        self.error = {"type": kind, "status": status, "description": description}


class Tasks:
    """Queue and history."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._one_at_a_time = asyncio.Lock()

    def accept(self, command: str, work: Work, status: int = 202) -> web.Response:
        """Begin a task; the answer to the request."""
        task: dict[str, Any] = {
            "taskId": str(uuid.uuid4()),
            "commandType": command,
            "status": "received",
            "description": "Task request received and is being queued for processing.",
            "timestamp": now(),
        }
        self.cloud.store.put("redis_task", task["taskId"], {**task, "born": time.time()})
        self.cloud.spawn(self._process(task["taskId"], work))
        link = {"rel": "task", "type": "GET", "href": f"/v1/tasks/{task['taskId']}"}
        return web.json_response({**task, "links": [link]}, status=status)

    async def _process(self, task_id: str, work: Work) -> None:
        async with self._one_at_a_time:
            self._set(task_id, "processing-in-progress", {})
            await asyncio.sleep(min(0.1, self.cloud.provisioning_delay))
            try:
                result = await work()
            except TaskError as error:
                self._set(task_id, "processing-error", {"error": error.error})
                return
            self._set(task_id, "processing-completed", result)

    def restore(self) -> None:
        """After a start of the cloud: what was not processed will not be."""
        for task in self.cloud.store.list("redis_task"):
            if not task["status"].startswith("processing-") or task["status"] == "processing-in-progress":
                lost = TaskError("GENERAL_ERROR", "The service was restarted", "500 INTERNAL_SERVER_ERROR")
                self._set(task["taskId"], "processing-error", {"error": lost.error})

    def _set(self, task_id: str, status: str, response: dict[str, Any]) -> None:
        task = self.cloud.store.get("redis_task", task_id)
        if task is not None:
            self.cloud.store.put(
                "redis_task", task_id, {**task, "status": status, "response": response, "timestamp": now()}
            )

    async def one(self, request: web.Request) -> web.Response:
        task = self.cloud.store.get("redis_task", request.match_info["task"])
        fresh = task is not None and time.time() - task["born"] < self.cloud.settings.switches.task_404_seconds
        if task is None or fresh:
            raise not_found(request, f"Task {request.match_info['task']} not found")
        return web.json_response(shown(task))

    async def all(self, request: web.Request) -> web.Response:
        found = self.cloud.store.list("redis_task")
        return web.json_response({"tasks": [shown(task) for task in reversed(found)]})


def shown(task: dict[str, Any]) -> dict[str, Any]:
    """As the API gives it."""
    return {key: value for key, value in task.items() if key != "born"}


def not_found(request: web.Request, message: str) -> web.HTTPException:
    """A 404 in the API's shape."""
    return error(request, 404, "Not Found", message)


def error(request: web.Request, status: int, title: str, message: str) -> web.HTTPException:
    """An error in the API's shape (reference redis-cloud 9)."""
    body = {"timestamp": now(), "status": status, "error": title, "message": message, "path": request.path}
    return problem(status, body)
