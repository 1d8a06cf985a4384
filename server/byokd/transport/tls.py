"""The TLS context of all connections: protocol versions and certificate authorities.

It must not read the environment: SSLKEYLOGFILE, SSL_CERT_FILE and SSL_CERT_DIR in a project's
`.envrc` could make every session readable.
"""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Final

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/cert.pem",  # older Fedora and RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, the BSDs
)


def client_context(extra_ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts the operating system's authorities and those of a PEM file.

    Raises:
        OSError: the extra file cannot be read, or holds no certificate.
    """
    context = _system_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if extra_ca_file is not None:
        context.load_verify_locations(cafile=str(extra_ca_file))
    return context


if sys.platform in {"darwin", "win32"}:  # pragma: no cover

    def _system_context() -> ssl.SSLContext:
        """Let the platform verify: it has authorities that are in no file."""
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

else:

    def _system_context() -> ssl.SSLContext:
        """Load the distribution's bundle, once.

        truststore is not used on Linux: it takes OpenSSL's default paths, which the environment
        overrides, and reads the whole bundle again for every connection (0.10.5).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        compiled_in = ssl.get_default_verify_paths()
        for bundle in (compiled_in.openssl_cafile, *BUNDLES):
            if Path(bundle).is_file():
                context.load_verify_locations(cafile=bundle)
                return context
        if Path(compiled_in.openssl_capath).is_dir():
            context.load_verify_locations(capath=compiled_in.openssl_capath)
        return context
