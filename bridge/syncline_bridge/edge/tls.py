"""TLS of the bridge: certificates are read again once their files have changed."""

import ssl

import structlog

from syncline.certificates import CertificateInvalid, Certificates

_log = structlog.get_logger()


class ServerTls:
    """How the bridge speaks TLS; looks at the files at each handshake."""

    def __init__(self, certificates: Certificates) -> None:
        """Read the files. Raises CertificateInvalid."""
        self._certificates = certificates
        self._stamp = certificates.stamp()
        self.context = certificates.server_context()
        self.context.sni_callback = self._begin
        self._newest = self.context

    def _begin(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        self._read_again()
        if self._newest is not self.context:
            connection.context = self._newest

    def _read_again(self) -> None:
        try:
            stamp = self._certificates.stamp()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._newest = self._certificates.server_context()
        except CertificateInvalid as error:
            _log.error("new certificates cannot be used; those before stay in use", error=str(error))
        else:
            _log.info("certificates were read again", certificate=str(self._certificates.certificate))
