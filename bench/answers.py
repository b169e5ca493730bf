"""Runs the floors of calls with given answers: those that the server and the bridge gave themselves."""

from contextlib import AbstractAsyncContextManager

from bench import floor_grpc, floor_http
from bench.plan import Bench
from bench.processes import Process, floor


def grpc_floor(bench: Bench, *, pushed: bytes = b"", pulled: bytes = b"") -> AbstractAsyncContextManager[Process]:
    """Run the empty gRPC handlers; the answers are serialised messages."""
    return _floor(bench, "floor_grpc", {floor_grpc.PUSHED: pushed, floor_grpc.PULLED: pulled})


def http_floor(bench: Bench, *, pushed: bytes = b"", pulled: bytes = b"") -> AbstractAsyncContextManager[Process]:
    """Run the empty FastAPI handlers; the answers are bodies."""
    return _floor(bench, "floor_http", {floor_http.PUSHED: pushed, floor_http.PULLED: pulled})


def _floor(bench: Bench, module: str, answers: dict[str, bytes]) -> AbstractAsyncContextManager[Process]:
    for name, answer in answers.items():
        (bench.databases.folder / name).write_bytes(answer)
    return floor(module, bench.databases.folder)
