"""Google's Firestore emulator as a child process, for the contract of the cloud ledger.

Started from its jar (the gcloud wrapper leaves the JVM behind when it is ended) and bounded in memory. Where gcloud,
the jar or java is missing, the tests that need it are skipped and say so.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_JAR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"


@contextmanager
def firestore_emulator(scratch: Path) -> Iterator[str]:
    """host:port of an emulator that lives as long as the block."""
    java, jar = shutil.which("java"), _jar(scratch)
    if java is None:
        pytest.skip("java is not installed")
    port = free_port()
    options = ["-Xmx256m", "-XX:+UseSerialGC", "-Duser.language=en"]
    with (scratch / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [java, *options, "-cp", str(jar), _MAIN, "--host=127.0.0.1", f"--port={port}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_listening(process, port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port on which nothing listens, as of now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _jar(scratch: Path) -> Path:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        pytest.skip("gcloud is not installed, so there is no Firestore emulator")
    root = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"],
        env={**os.environ, "CLOUDSDK_CONFIG": str(scratch)},
        capture_output=True,
        text=True,
        check=True,
    )
    jar = Path(root.stdout.strip()) / _JAR
    if not jar.exists():
        pytest.skip("the Google Cloud SDK has no cloud-firestore-emulator component")
    return jar


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the Firestore emulator did not start")
