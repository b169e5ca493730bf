"""How the gRPC server is run by a command: its logs, its loop, its refusals."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from syncline_command.databases import explained
from syncline_command.options import Place
from syncline_command.parsing import CommandFailed

if TYPE_CHECKING:
    from syncline_server.settings import ServerSettings


def run_process(settings: "ServerSettings", work: "Callable[[ServerSettings], Coroutine[Any, Any, None]]") -> None:
    """Run what serves to its end. Raises CommandFailed."""
    import uvloop

    from syncline.certificates import CertificateInvalid
    from syncline.descriptors import raise_descriptor_limit
    from syncline_server.logs import configure_logs
    from syncline_server.rpc.server import AddressInUse

    raise_descriptor_limit()
    configure_logs(settings.log_level, settings.log_format)
    with explained(Place(settings.database, settings.data_dir)):
        try:
            uvloop.run(work(settings))
        except CertificateInvalid as error:
            raise CommandFailed(str(error)) from error
        except AddressInUse as error:
            raise CommandFailed(f"cannot listen on {error}: is it in use?") from error
