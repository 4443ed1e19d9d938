"""A PostgreSQL server for a test, on a free port of loopback."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def find_postgres() -> Path | None:
    """The newest installed server's programs: Debian keeps them away from the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Start a server that keeps its data in `folder`; gives its URL. Root may not run one: it is `nobody`."""
    programs = find_postgres()
    assert programs
    user: dict = {}
    folder.mkdir()
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        place = Path(tempfile.gettempdir())
        for parent in itertools.takewhile(lambda parent: parent != place, folder.parents):
            parent.chmod(parent.stat().st_mode | 0o011)  # pytest's folders are for their owner alone
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    quiet: dict = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": folder, **user}
    subprocess.run([programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync"], check=True, **quiet)
    options = ["-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    server = subprocess.Popen([programs / "postgres", "-D", data, "-p", str(port), *options], **quiet)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert server.poll() is None, "the server has ended"
            time.sleep(0.1)
        subprocess.run(
            [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "tester", "hotdog"], check=True, **quiet
        )
        yield f"postgresql://tester@127.0.0.1:{port}/hotdog"
    finally:
        server.terminate()
        server.wait(timeout=60)
