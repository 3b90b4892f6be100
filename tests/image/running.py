"""Run the image as Cloud Run would at its strictest: as its own user, no privileges to gain, nothing that can be written.

Its root is mounted read-only in a mount namespace of its own, with /proc, four devices and the /dev/shm that every container
runtime gives (here 1 MB, for gunicorn's heartbeat); the network is this machine's, on loopback.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.image.building import config

_INSIDE = r"""
set -e
mount --make-rprivate /
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev"
for device in null zero random urandom; do : > "$1/dev/$device"; mount --bind "/dev/$device" "$1/dev/$device"; done
mkdir "$1/dev/shm"; mount -t tmpfs -o size=1m,mode=1777,noexec,nosuid tmpfs "$1/dev/shm"
mount -o remount,ro "$1/dev"
root=$1 user=$2; shift 2
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" /usr/local/bin/python3 -c '
import os, sys
os.environ["PATH"] = os.environ.pop("IMAGE_PATH")
os.chdir("/srv")
os.execv(sys.argv[1], sys.argv[1:])' "$@"
"""


@contextmanager
def running(
    root: Path, environment: Mapping[str, str], command: Sequence[str] = (), *, out: int = subprocess.DEVNULL
) -> Iterator["subprocess.Popen[bytes]"]:
    """The container's first process. Its command is the image's own unless another is given."""
    image = config()
    own = dict(one.split("=", 1) for one in image["Env"])
    own["IMAGE_PATH"] = own.pop("PATH")
    inside = ["bash", "-c", _INSIDE, "inside", str(root), image["User"], *(command or image["Cmd"])]
    process = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", *inside],
        env={"PATH": os.environ["PATH"], **own, **environment},
        stdout=out,
        stderr=subprocess.DEVNULL if out == subprocess.DEVNULL else subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()  # --kill-child takes the container along
            process.wait()


def first(process: "subprocess.Popen[bytes]") -> int:
    """The container's process 1, as this machine numbers it: `unshare` waits for it and passes no signal on."""
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def stop(process: "subprocess.Popen[bytes]", within: float) -> int:
    """SIGTERM, as Cloud Run sends it; the exit code. Raises TimeoutExpired."""
    os.kill(first(process), signal.SIGTERM)
    return process.wait(within)
