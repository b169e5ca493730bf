"""Certificates in files: whether they fit together, and when they have changed. The standard library alone."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, size and time of each file, which differ once it is written anew."""


class CertificateInvalid(Exception):
    """Certificates cannot be used; says which file and why."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """What one side of TLS shows, and what it asks of the other; each a PEM file."""

    certificate: Path
    """The certificate, and those between it and its authority."""
    key: Path
    peer_ca: Path | None = None
    """The authorities of the other side; None: a server asks clients for no certificate."""

    def stamp(self) -> Stamp:
        """Return what changes with the files. Raises CertificateInvalid."""
        return tuple(_stamp(path) for path in self._files())

    def check(self) -> None:
        """Raise CertificateInvalid unless the files are there, readable, and belong together."""
        self.server_context()

    def server_context(self) -> ssl.SSLContext:
        """Return how a server speaks TLS with them. Raises CertificateInvalid."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for path in self._files():
            _stamp(path)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as error:
            raise CertificateInvalid(
                f"{self.certificate} and {self.key} are no certificate and its key: {error}"
            ) from None
        if self.peer_ca is not None:
            _trust(context, self.peer_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.certificate, self.key, self.peer_ca) if path is not None)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a client speaks TLS."""

    authorities: Path
    """PEM file of those that it trusts."""
    own: Certificates | None
    """What it shows where the server asks for a certificate."""

    def context(self) -> ssl.SSLContext:
        """Return the same for Python's own TLS. Raises CertificateInvalid."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, self.authorities)
        if self.own is not None:
            context.load_cert_chain(self.own.certificate, self.own.key)
        return context


def client_tls(authorities: Path | None, certificate: Path | None, key: Path | None, names: str) -> ClientTls | None:
    """Return how settings say to speak TLS; None: not at all. `names` is how the settings begin.

    Raises CertificateInvalid.
    """
    own = certificates(certificate, key, None, names)
    if authorities is None:
        if own is not None:
            raise CertificateInvalid(f"{names}_certificate needs {names}_ca")
        return None
    found = ClientTls(authorities, own)
    found.context()
    return found


def certificates(certificate: Path | None, key: Path | None, peer_ca: Path | None, names: str) -> Certificates | None:
    """Return the certificates that settings name; None: there are none. `names` is how the settings begin.

    Raises CertificateInvalid.
    """
    if certificate is None and key is None:
        if peer_ca is not None:
            raise CertificateInvalid(f"{names}_client_ca needs {names}_certificate and {names}_key")
        return None
    if certificate is None or key is None:
        raise CertificateInvalid(f"{names}_certificate and {names}_key go together")
    found = Certificates(certificate, key, peer_ca)
    found.check()
    return found


def _trust(context: ssl.SSLContext, authorities: Path) -> None:
    _stamp(authorities)
    try:
        context.load_verify_locations(authorities)
    except (ssl.SSLError, OSError) as error:
        raise CertificateInvalid(f"{authorities} has no certificates: {error}") from None


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
        if not os.access(path, os.R_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise CertificateInvalid(f"cannot read {path}: {error.strerror}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns
