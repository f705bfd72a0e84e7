"""A session of the guest package in a native Python, with a host that records what it is asked."""

import json
import os
import pathlib
import subprocess
import sys

GUEST = pathlib.Path(__file__).resolve().parent.parent

#: Runs in the child: the door is two pipes, so that the child's own streams stay a program's.
_CHILD = """
import sys, types, os
requests, answers = os.fdopen({requests}, "wb", 0), os.fdopen({answers}, "rb")
host = types.ModuleType("_host")
def call(request):
    requests.write(len(request).to_bytes(4, "little") + request)
    return answers.read(int.from_bytes(answers.read(4), "little"))
host.call = call
sys.modules["_host"] = host
sys.path[:] = [path for path in sys.path if path]
exec(compile(open({bootstrap!r}).read(), "<bootstrap>", "exec"), {{}})
import glassbox_guest as guest
guest.sent_bytes = 0
while call(b'{{"op":"next"}}') == b"true":
    guest.turn()
"""


class Session:
    """Runs cells. `tool` answers calls of tools, `line` questions for input."""

    def __init__(self, tool=None, line=None, env=None):
        self.tool, self.line, self.number, self.tools = tool, line, 0, None
        to_host, to_child = os.pipe(), os.pipe()
        code = _CHILD.format(requests=to_host[1], answers=to_child[0], bootstrap=str(GUEST / "bootstrap.py"))
        self.child = subprocess.Popen(
            [sys.executable, "-S", "-X", "utf8", "-c", code], pass_fds=(to_host[1], to_child[0]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})},
        )  # fmt: skip
        os.close(to_host[1])
        os.close(to_child[0])
        self.requests, self.answers = os.fdopen(to_host[0], "rb"), os.fdopen(to_child[1], "wb", 0)
        for stream in (self.child.stdout, self.child.stderr):
            os.set_blocking(stream.fileno(), False)
        self._until_next()

    def run(self, source, tools=None, on_request=None):
        """Runs a cell and gives what came, in order; the streams are two more members: `stdout` and `stderr`."""
        self.number += 1
        cell = {"source": source, "number": self.number, "tools": tools}
        self._send(True)
        events = [event for event in self._until_next(cell, on_request) if event["op"] not in ("cell", "boot")]
        return Outputs(events, *(self._drain(stream) for stream in (self.child.stdout, self.child.stderr)))

    def close(self):
        if self.child.poll() is None:
            self._send(False)
        self.child.wait(10)
        for stream in (self.requests, self.answers, self.child.stdout, self.child.stderr):
            stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _until_next(self, cell=None, on_request=None):
        events = []
        while True:
            size = self.requests.read(4)
            if len(size) < 4:
                self.child.wait(10)
                raise AssertionError(f"the guest is gone: {self._drain(self.child.stderr)}")
            request = json.loads(self.requests.read(int.from_bytes(size, "little")))
            if request["op"] == "next":
                return events
            if on_request is not None:
                on_request(self, request)
            events.append(request)
            self._send(self._answer(request, cell))

    def _answer(self, request, cell):
        op = request["op"]
        if op == "boot":
            package = GUEST / "glassbox_guest"
            return {"ok": {"modules": {path.stem: path.read_text("utf-8") for path in package.glob("*.py")}}}
        if op == "cell":
            return {"ok": cell}
        if op == "tool":
            try:
                return {"ok": self.tool(request["name"], request["arguments"])}
            except Exception as error:
                return {"error": {"kind": "failed", "message": str(error)}}
        if op == "input":
            if self.line is None:
                return {"error": {"kind": "input", "message": "nobody answers here"}}
            return {"ok": self.line(request["prompt"], request["hidden"])}
        return {"ok": None}

    def _send(self, answer):
        data = json.dumps(answer).encode()
        self.answers.write(len(data).to_bytes(4, "little") + data)

    @staticmethod
    def _drain(stream):
        return (stream.read() or b"").decode()


class Outputs(list):
    """The requests of one cell."""

    def __init__(self, events, stdout, stderr):
        super().__init__(events)
        self.stdout, self.stderr = stdout, stderr

    def of(self, op):
        """The requests of one kind."""
        return [event for event in self if event["op"] == op]

    @property
    def result(self):
        """The plain text of the last expression's value."""
        found = self.of("result")
        return found[0]["data"]["text/plain"] if found else None

    @property
    def error(self):
        """The exception."""
        found = self.of("error")
        return found[0] if found else None

    @property
    def traceback(self):
        """The exception's traceback as one text."""
        return "\n".join(self.error["traceback"]) if self.error else ""

    @property
    def status(self):
        """How the cell ended."""
        return self[-1].get("status") if self and self[-1]["op"] == "done" else None
