"""A real kernel for the tests: run cells in it, and read its replies and outputs."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.manager import KernelManager

import nbflow

ROOT = Path(nbflow.__file__).parents[1]
PATIENCE = 300


@dataclass
class Reply:
    """The replies and outputs of one cell."""

    status: str = ""
    count: int = 0
    stdout: str = ""
    stderr: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    displays: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def value(self) -> str:
        return str(self.result.get("text/plain", ""))

    @property
    def traceback(self) -> str:
        return plain("\n".join(self.error.get("traceback", [])))

    def take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        self.messages.append(message)
        match message["msg_type"]:
            case "stream":
                setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
            case "execute_result":
                self.result = content["data"]
            case "display_data":
                self.displays.append(content["data"])
            case "update_display_data":
                self.updates.append(content["data"])
            case "error":
                self.error = content


def plain(text: str) -> str:
    """Return the text without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


class Kernel:
    """Runs cells in a kernel and collects their outputs."""

    def __init__(self, environment: dict[str, str] | None = None, folder: Path | None = None) -> None:
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self.manager = KernelManager(kernel_name="python3")
        env = {**os.environ, "PYTHONPATH": paths, **(environment or {})}
        self._own = TemporaryDirectory()  # a new folder, so that it finds no store of other tests
        self.manager.start_kernel(env=env, cwd=str(folder or self._own.name))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self._own.cleanup()

    def send(self, code: str, cell_id: str | None = None) -> str:
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        metadata = {"cellId": cell_id} if cell_id else {}
        message = self.client.session.msg("execute_request", content | {"stop_on_error": True}, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def collect(self, message_id: str) -> Reply:
        reply = Reply()
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            reply.take(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        while True:
            answer = self.client.get_shell_msg(timeout=PATIENCE)
            if answer["parent_header"].get("msg_id") == message_id:
                reply.status = answer["content"]["status"]
                reply.count = answer["content"].get("execution_count", 0)
                if reply.status == "error" and not reply.error:
                    reply.error = answer["content"]
                return reply

    def run(self, code: str, cell_id: str | None = None) -> Reply:
        return self.collect(self.send(code, cell_id))

    def ok(self, code: str, cell_id: str | None = None) -> Reply:
        reply = self.run(code, cell_id)
        assert reply.status == "ok", reply.traceback or reply.stderr
        return reply

    def wait_for_text(self, message_id: str, text: str) -> None:
        """Wait until the cell has printed the text."""
        seen = ""
        while text not in seen:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == message_id and message["msg_type"] == "stream":
                seen += message["content"]["text"]

    def later(self, seconds: float) -> list[dict[str, Any]]:
        """Return the messages up to a silence of the given length."""
        found = []
        try:
            while True:
                found.append(self.client.get_iopub_msg(timeout=seconds))
        except Empty:
            return found

    @cached_property
    def subshell(self) -> str | None:
        """The subshell that pages send over, as JupyterLab has one for its widgets; None where kernels have none."""
        if "kernel subshells" not in self._asks("kernel_info_request").get("supported_features", []):
            return None
        return str(self._asks("create_subshell_request")["subshell_id"])

    def _asks(self, kind: str) -> dict[str, Any]:
        """Return the reply to a request, which may arrive while a cell runs."""
        message = self.client.session.msg(kind)
        self.client.control_channel.send(message)
        while True:
            answer = self.client.get_control_msg(timeout=PATIENCE)
            if answer["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return dict(answer["content"])

    def kill(self) -> None:
        """Kill the kernel's process at once, as the kernel of the operating system does when memory runs out."""
        self.client.stop_channels()
        self.manager.signal_kernel(signal.SIGKILL)
        self.manager.shutdown_kernel(now=True)

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()


WIDGET = "application/vnd.jupyter.widget-view+json"


class Page:
    """A page with one live view, as the kernel sees it.

    Args:
        kernel: The kernel of the run.
        comm_id: The comm of the view.
        subshells: If true, the page sends over a subshell where there is one. JupyterLab does so once it is open, others do not.
    """

    def __init__(self, kernel: Kernel, comm_id: str, *, subshells: bool = True) -> None:
        self._kernel, self._id, self._subshells = kernel, comm_id, subshells

    def says(self, kind: str, **content: Any) -> None:
        """Send a message of the view protocol."""
        data = {"method": "custom", "content": {"type": kind, **content}}
        message = self._kernel.client.session.msg("comm_msg", {"comm_id": self._id, "data": data})
        if self._subshells and (subshell := self._kernel.subshell):
            message["header"]["subshell_id"] = subshell
        self._kernel.client.shell_channel.send(message)

    def hears(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait for a message that meets the condition; return it. A snapshot counts as a message, though it is a trait."""
        while True:
            told = self.told(self._kernel.client.get_iopub_msg(timeout=PATIENCE))
            if told and wanted(told):
                return told

    def told(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the content of a kernel's message for this page; None if it is for another."""
        if message["msg_type"] != "comm_msg" or message["content"]["comm_id"] != self._id:
            return {}
        data = message["content"]["data"]
        return dict(data["content"] if data["method"] == "custom" else data.get("state", {}).get("snapshot", {}))


def all_hear(kernel: Kernel, pages: list[Page], wanted: Callable[[dict[str, Any]], Any]) -> None:
    """Wait until each of several pages has received a message that meets the condition."""
    left = list(pages)
    while left:
        message = kernel.client.get_iopub_msg(timeout=PATIENCE)
        left = [page for page in left if not ((told := page.told(message)) and wanted(told))]


def page_of(kernel: Kernel, reply: Reply) -> Page:
    """Return the page of the live view that a cell showed."""
    return Page(kernel, next(data[WIDGET]["model_id"] for data in reply.displays if WIDGET in data))


def status_is(status: str) -> Callable[[dict[str, Any]], bool]:
    """Return a predicate for messages that carry this status of the run."""
    return lambda told: told.get("run", {}).get("status") == status
