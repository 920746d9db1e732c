"""A PostgreSQL server of its own, in a folder that is thrown away, for tests of the store."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOT_HERE = "no PostgreSQL here (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; Debian keeps them off the path."""
    on_path = shutil.which("initdb")
    here = [Path(on_path).resolve().parent] if on_path else []
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [one for one in [*here, *debian] if (one / "initdb").exists()]
    return next((one for one in found if (one / "pg_ctl").exists()), None)


@contextmanager
def server(bin: Path) -> Iterator[str]:
    """A server that listens on a socket in its folder: its URL, without the name of a database."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    data = str(folder / "data")
    # The server refuses to be root.
    owner = _ordinary_user() if os.geteuid() == 0 else None
    if owner:
        shutil.chown(folder, owner)

    def call(name: str, *words: str) -> None:
        log = folder / "calls.log"
        with log.open("ab") as out:
            subprocess.run(
                [bin / name, "-D", data, *words],
                check=True,
                user=owner,
                cwd=folder,
                stdout=out,
                stderr=out,
            )

    call("initdb", "--auth=trust", "--username=tester", "--encoding=UTF8", "--no-sync")
    # Processes are killed here and machines are not: without syncs tests do not wait for disks.
    place = f"-c fsync=off -c listen_addresses='' -c unix_socket_directories={folder}"
    call("pg_ctl", "start", "-w", "-l", str(folder / "server.log"), "-o", place)
    try:
        yield f"postgresql://tester@/{{}}?host={folder}"
    finally:
        call("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(folder)


def _ordinary_user() -> str:
    names = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
