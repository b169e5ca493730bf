"""How a gRPC channel speaks TLS, with certificates in files."""

import grpc

from syncline.certificates import CertificateInvalid, ClientTls


def channel_credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    """Return what a channel is opened with. Raises CertificateInvalid."""
    own = tls.own
    try:
        trusted = tls.authorities.read_bytes()
        key, certificate = (own.key.read_bytes(), own.certificate.read_bytes()) if own is not None else (None, None)
    except OSError as error:
        raise CertificateInvalid(f"cannot read {error.filename}: {error.strerror}") from None
    credentials: grpc.ChannelCredentials = grpc.ssl_channel_credentials(trusted, key, certificate)
    return credentials
