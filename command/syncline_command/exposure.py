"""Who can reach what listens, and whether they can listen in."""

from pathlib import Path
from typing import Protocol

from syncline.words import is_loopback, split_address
from syncline_command.parsing import CommandMisused


class Exposure(Protocol):
    """The settings that decide it."""

    @property
    def tls_certificate(self) -> Path | None:
        """What it speaks TLS with."""

    @property
    def insecure(self) -> bool:
        """Whether the operator has said that it is to be so."""


def check_exposure(settings: Exposure, **addresses: str) -> None:
    """Let nobody listen in the clear where other machines can reach it, unless told to. Raises CommandMisused.

    `addresses` are HOST:PORT, by the name of their setting.
    """
    if settings.tls_certificate is not None or settings.insecure:
        return
    for name, address in addresses.items():
        if not is_loopback(split_address(address)[0]):
            raise CommandMisused(
                f"--{name.replace('_', '-')}: other machines can reach {address}, and could listen in: give "
                "--tls-certificate and --tls-key, or --insecure where something in front of it speaks TLS"
            )


class Listening(Protocol):
    """The settings that say where a server listens for gRPC."""

    @property
    def grpc_address(self) -> str:
        """For clients."""

    @property
    def admin_address(self) -> str | None:
        """For operators; None: nowhere."""


def listened_to(settings: Listening) -> dict[str, str]:
    """Return where a server listens for gRPC, by the name of the setting."""
    found = {"grpc_address": settings.grpc_address, "admin_address": settings.admin_address}
    return {name: address for name, address in found.items() if address is not None}


def warn_exposed(settings: Exposure, *addresses: str) -> None:
    """Say on each start what can be listened in on."""
    import structlog

    if settings.tls_certificate is None:
        for address in addresses:
            if not is_loopback(split_address(address)[0]):
                structlog.get_logger(__name__).warning("listening in the clear", address=address)
