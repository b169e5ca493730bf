"""Which commands there are, which module has each, and which extra of the package it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from syncline_command.parsing import Command


@dataclass(frozen=True, slots=True)
class Entry:
    """A command, or a group of commands."""

    about: str
    """A sentence; said here too, so that a list of commands loads none of them."""
    module: str
    extra: str | None
    """What has to be installed for it; None: it comes with the client."""

    def load(self) -> "Command | Mapping[str, Command]":
        """Return the command, or those of the group by name."""
        module = import_module(f"syncline_command.{self.module}")
        found: Command | Mapping[str, Command] = module.COMMAND if hasattr(module, "COMMAND") else module.COMMANDS
        return found


ENTRIES: Final = {
    "serve": Entry("Run the whole of Syncline on this machine: gRPC, and HTTP beside it.", "serve", "all"),
    "server": Entry("Run the gRPC server alone.", "server", "server"),
    "bridge": Entry("Run the HTTP bridge alone.", "bridge", "bridge"),
    "migrate": Entry("Bring a database's schema up to date.", "migrate", "server"),
    "project": Entry("Make and list projects: tenants with keys of their own.", "project", "server"),
    "key": Entry("Make, list, rotate and revoke the keys of a project.", "key", "server"),
    "operator": Entry("Make, list and revoke operators, who administer from elsewhere.", "operator", "server"),
    "audit": Entry("Print what operators did, newest first.", "audit", "server"),
    "status": Entry("Say how a deployment does; exit code 1 if it is not ready.", "status", "server"),
    "settings": Entry("Print the settings of the server that is alive here.", "settings_in_force", "server"),
    "lag": Entry("Print how far behind the devices of a project are.", "lag", "server"),
    "token": Entry("Print a session token.", "token", "server"),
    "demo": Entry("Print a link to the demo, a list in two windows, which is good for a day.", "demo", "server"),
    "backup": Entry("Make a copy of the database, of one moment, while servers go on.", "backup", "server"),
    "restore": Entry("Put a backup in the place of the database, while no server runs.", "restore", "server"),
    "epoch": Entry("Epochs: where the history of a database may have forked.", "epoch", "server"),
    "tail": Entry("Print the log, one JSON object a line.", "tail", None),
    "verify": Entry("Write to a running deployment and check what its readers get.", "verify", "verify"),
}
