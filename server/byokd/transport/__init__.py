"""The network: the only package that opens connections to providers."""

from __future__ import annotations

import os

# aiohttp makes default TLS contexts when it is imported, and those open the file that this variable
# names; OpenSSL 3.5 can be built to obey it, too. The file would hold the keys of every session.
os.environ.pop("SSLKEYLOGFILE", None)
