"""TLS of the gRPC server: certificates are read again once their files have changed."""

import threading
from typing import Final

import grpc
import structlog

from syncline.certificates import CertificateInvalid, Certificates, Stamp

_log = structlog.get_logger()


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Return what a server listens with. Raises CertificateInvalid."""
    files = _Files(certificates)
    return grpc.dynamic_ssl_server_credentials(
        files.read(),
        files.read_if_changed,  # type: ignore[arg-type]  # None says that nothing has changed
        require_client_authentication=certificates.peer_ca is not None,
    )


class _Files:
    """Reads certificates. gRPC asks at each handshake, in threads of its own."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates: Final = certificates
        self._stamp: Stamp = ()
        self._turn = threading.Lock()

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read the files. Raises CertificateInvalid."""
        files = self._certificates
        self._stamp = files.stamp()
        files.check()
        pair = (files.key.read_bytes(), files.certificate.read_bytes())
        peer_ca = files.peer_ca.read_bytes() if files.peer_ca is not None else None
        return grpc.ssl_server_certificate_configuration([pair], peer_ca)

    def read_if_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Read the files again where they have changed; None: they have not, or are not whole (yet)."""
        with self._turn:
            try:
                if self._certificates.stamp() == self._stamp:
                    return None
                found = self.read()
            except (CertificateInvalid, OSError) as error:
                _log.error("new certificates cannot be used; those before stay in use", error=str(error))
                return None
        _log.info("certificates were read again", certificate=str(self._certificates.certificate))
        return found
