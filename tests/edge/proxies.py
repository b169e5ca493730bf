"""Proxies in front of a bridge, as they are run: nginx with the lines that everybody copies for websockets, HAProxy."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ports import free_address
from waiting import accepts_connections, until

_NGINX = """
daemon off; error_log stderr; pid {folder}/nginx.pid; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    upstream bridge {{ server {bridge}; keepalive 4; }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://bridge;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffering {buffering};
            proxy_request_buffering {buffering};
        }}
    }}
}}
"""
_HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
    option forwardfor
frontend front
    bind {address}
    default_backend bridge
backend bridge
    server one {bridge}
"""


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} IS MISSING: nothing is tried through it")
    return found


@asynccontextmanager
async def nginx(bridge: str, folder: Path, *, buffering: bool = False) -> AsyncIterator[str]:
    """Run nginx in front of a bridge; yields its address."""
    program, address, config = _program("nginx"), free_address(), folder / "nginx.conf"
    text = _NGINX.format(folder=folder, bridge=bridge, address=address, buffering="on" if buffering else "off")
    config.write_text(text, encoding="utf-8")
    async with _running(address, program, "-c", str(config), "-p", str(folder)):
        yield address


@asynccontextmanager
async def haproxy(bridge: str, folder: Path) -> AsyncIterator[str]:
    """Run HAProxy in front of a bridge; yields its address."""
    program, address, config = _program("haproxy"), free_address(), folder / "haproxy.cfg"
    config.write_text(_HAPROXY.format(bridge=bridge, address=address), encoding="utf-8")
    async with _running(address, program, "-db", "-f", str(config)):
        yield address


@asynccontextmanager
async def _running(address: str, *command: str) -> AsyncIterator[None]:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        await until(lambda: accepts_connections(address))
        yield
    finally:
        process.terminate()
        await process.wait()
