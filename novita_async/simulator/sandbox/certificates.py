"""Certificates for the hosts of secrets, with which the way out of a sandbox reads what is sent to them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme

__all__ = ["BUNDLE", "ENVS", "Authority"]

#: Below /etc of a sandbox.
BUNDLE = "secrets-ca.pem"
#: What programs look for certificates by. That of Node.js adds to its own, the others replace theirs.
ENVS = dict.fromkeys(
    (
        "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
        "NPM_CONFIG_CAFILE",
    ),
    f"/etc/{BUNDLE}",
)  # fmt: skip

_MOST_HOSTS = 100
#: Where systems keep the certificates that they trust.
_TRUSTED = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class Authority:
    """Signs certificates that only programs in its sandboxes trust. Every method blocks.

    Attributes:
        outside: how servers are asked for their own.
    """

    def __init__(self) -> None:
        """Raises ImportError: trustme is not installed."""
        import trustme  # with what it needs it takes a tenth of a second

        self._root: trustme.CA = trustme.CA(organization_name="novita-async simulator")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.outside = ssl.create_default_context()
        self.outside.set_alpn_protocols(["http/1.1"])

    def context(self, host: str) -> ssl.SSLContext:
        """What it takes to be a host for its clients."""
        context = self._contexts.get(host)
        if context is None:
            if len(self._contexts) >= _MOST_HOSTS:
                self._contexts.clear()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(["http/1.1"])
            made = self._root.issue_cert(host)
            made.configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - it takes those of pyOpenSSL, too
            self._contexts[host] = context
        return context

    def bundle(self) -> bytes:
        """What this machine trusts, and this authority, as PEM."""
        paths = [ssl.get_default_verify_paths().cafile, *_TRUSTED]
        found = next((Path(path) for path in paths if path and Path(path).is_file()), None)
        trusted = found.read_bytes() if found else b""
        return trusted.rstrip(b"\n") + b"\n" + self._root.cert_pem.bytes()
