"""A client process for tests to kill. It starts a daemon, initializes it and keeps its pipes.

    killable_client.py HOW COMMAND…

HOW is `direct`, `unnamed` (without a `processId`), `wrapped` (through two shells) or `sibling` (a
process beside holds the daemon's stdin open). It prints `up` once the daemon has answered, and
closes the daemon's stdin when it reads a line.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys


def main(how: str, command: list[str]) -> None:
    if how == "wrapped":  # two shells that stay, because something comes after
        inner = f"{shlex.join(command)}; :"
        command = ["/bin/sh", "-c", f"/bin/sh -c {shlex.quote(inner)}; :"]
    daemon = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert daemon.stdin is not None
    assert daemon.stdout is not None
    if how == "sibling":
        fd = daemon.stdin.fileno()
        sibling = ["/bin/sh", "-c", "read nothing", "byokd-sibling"]
        subprocess.Popen(sibling, stdin=subprocess.PIPE, pass_fds=[fd])
    process_id = os.getpid() if how != "unnamed" else None
    params: dict[str, object] = {"processId": process_id, "capabilities": {}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    body = json.dumps(request).encode()
    daemon.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    daemon.stdin.flush()
    head = daemon.stdout.readline()
    daemon.stdout.read(int(head.split(b":")[1]) + 2)
    print("up", flush=True)
    sys.stdin.readline()
    daemon.stdin.close()
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
