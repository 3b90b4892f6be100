"""Google's emulators as child processes, for the contracts of what runs in the cloud.

Started from their jars (the gcloud wrapper leaves the JVM behind when it is ended) and bounded in memory. Where gcloud,
a jar or java is missing, the tests that need it are skipped and say so.
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

_FIRESTORE = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
_FIRESTORE_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_PUBSUB = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"


@contextmanager
def firestore_emulator(scratch: Path) -> Iterator[str]:
    """host:port of an emulator that lives as long as the block."""
    jar = _jar(scratch, _FIRESTORE)
    with _running(scratch, ["-Xmx256m", "-Duser.language=en", "-cp", str(jar), _FIRESTORE_MAIN]) as address:
        yield address


@contextmanager
def pubsub_emulator(scratch: Path) -> Iterator[str]:
    """host:port of an emulator that lives as long as the block."""
    with _running(scratch, ["-Xmx128m", "-jar", str(_jar(scratch, _PUBSUB))]) as address:
        yield address


def free_port() -> int:
    """A port on which nothing listens, as of now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(scratch: Path, arguments: list[str]) -> Iterator[str]:
    java = shutil.which("java")
    if java is None:
        pytest.skip("java is not installed")
    port = free_port()
    with (scratch / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [java, "-XX:+UseSerialGC", *arguments, "--host=127.0.0.1", f"--port={port}"],
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


def _jar(scratch: Path, pattern: str) -> Path:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        pytest.skip("gcloud is not installed, so there are no emulators")
    root = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"],
        env={**os.environ, "CLOUDSDK_CONFIG": str(scratch)},
        capture_output=True,
        text=True,
        check=True,
    )
    jars = sorted(Path(root.stdout.strip()).glob(pattern))
    if not jars:
        pytest.skip(f"the Google Cloud SDK has no {pattern.split('/')[1]} component")
    return jars[-1]


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the emulator did not start")
