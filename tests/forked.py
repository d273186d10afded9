"""Python as a command whose process is forked from one that has imported torch and gradio already.

Takes what `python` takes: `-c CODE`, `-m MODULE` or a file, and its arguments. It asks the fork
server at `SIGHTLINE_FORK_SERVER` for the process, lends it its files, passes signals on to it, and
ends as it does; killed itself, it takes the process along. It is a program of its own, run by
`python -IS`, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main() -> int:
    """Return the exit code of the process; negative, the signal that ended it."""
    job = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}
    data = json.dumps(job).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ["SIGHTLINE_FORK_SERVER"])
        for number in SIGNALS:
            signal.signal(number, lambda number, _: server.send(bytes([number])))
        socket.send_fds(server, [len(data).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(data)
        os.close(0)  # from now on only the process has them
        os.close(1)
        code = server.recv(2)
    return int.from_bytes(code, "big", signed=True) if code else 1


if __name__ == "__main__":
    code = main()
    if code < 0:
        if -code in SIGNALS:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
