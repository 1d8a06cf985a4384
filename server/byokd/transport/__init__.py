"""The only network."""

from __future__ import annotations

import os

# aiohttp makes default TLS contexts when it is imported, and those open the file that this names;
# OpenSSL 3.5 can be built to obey it without being asked. Every session's keys would be in there.
os.environ.pop("SSLKEYLOGFILE", None)
