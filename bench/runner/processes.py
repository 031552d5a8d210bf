"""Starts servers and the load generator, each on its own core, and ends them whatever happens."""
import glob
import json
import os
import re
import select
import subprocess
from dataclasses import dataclass

from .certificates import Certificates
from .errors import BenchError

LOAD_TIMEOUT_SECONDS = 60
START_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class ServerKind:
    """A server program and how it is started."""

    name: str
    program: str
    arguments: tuple = ()
    key_kind: str = ""  # of its certificate: ecdsa or rsa; without one it speaks no TLS


SERVER_KINDS = {
    kind.name: kind
    for kind in (
        ServerKind("bare-epoll", "bare_epoll_server"),
        ServerKind("bare-epoll-512k", "bare_epoll_server", ("--buffer", "524288")),
        ServerKind("libuv", "bare_libuv_server"),
        ServerKind("libuv-512k", "bare_libuv_server", ("--buffer", "524288")),
        ServerKind("libuv-poll", "bare_libuv_poll_server"),
        ServerKind("epoll-in-uv", "bare_epoll_in_uv_server"),
        ServerKind("tcpkit", "tcpkit_server"),
        ServerKind("tcpkit-no-times", "tcpkit_server", ("--timeouts", "none")),
        ServerKind("tcpkit-all-times", "tcpkit_server", ("--timeouts", "all")),
        ServerKind("tcpkit-cpp", "cpp_server"),
        ServerKind("tcpkit-coroutines", "cpp_server", ("--style", "coroutines")),
        ServerKind("bare-broadcast", "bare_broadcast_server"),
        ServerKind("tcpkit-broadcast", "tcpkit_server", ("--mode", "broadcast")),
        ServerKind("tcpkit-sends", "tcpkit_server", ("--mode", "sends")),
        ServerKind("bare-threads", "bare_threads_server"),
        ServerKind("tcpkit-blocking", "tcpkit_server", ("--blocking", "yes")),
        ServerKind("openssl", "bare_openssl_server", key_kind="ecdsa"),
        ServerKind("openssl-released", "bare_openssl_server", ("--release-buffers", "yes"),
                   key_kind="ecdsa"),
        ServerKind("pair-each", "bare_bio_pair_server", key_kind="ecdsa"),
        ServerKind("pair-shared", "bare_bio_pair_server", ("--shared-pair", "yes"),
                   key_kind="ecdsa"),
        ServerKind("haproxy", "haproxy_tls_server", key_kind="ecdsa"),
        ServerKind("openssl-rsa", "bare_openssl_server", key_kind="rsa"),
        ServerKind("tcpkit-tls", "tcpkit_server", key_kind="ecdsa"),
        ServerKind("tcpkit-tls-rsa", "tcpkit_server", key_kind="rsa"),
    )
}


class Bench:
    """Where the programs are and which cores they run on."""

    def __init__(self, build_dir):
        self.folder = os.path.join(os.path.abspath(build_dir), "bench")
        cores = sorted(os.sched_getaffinity(0))
        self.server_core = cores[0]
        self.load_core = cores[1] if len(cores) > 1 else cores[0]
        self.certificates = Certificates()
        self.notes = [] if len(cores) > 1 else ["NOTE: one core only; server and load share it."]

    def path(self, program):
        return os.path.join(self.folder, program)

    def has(self, program):
        return os.path.exists(self.path(program))

    def popen(self, command, core, **options):
        return subprocess.Popen(
            command, preexec_fn=lambda: os.sched_setaffinity(0, {core}), **options
        )


class Server:
    """A running server; a context manager that ends it."""

    def __init__(self, bench, kind, mode="echo", environment=None):
        command = [bench.path(kind.program), "--mode", mode, *kind.arguments]
        if kind.key_kind:
            command += bench.certificates.arguments(kind.key_kind)
        self.process = bench.popen(
            command,
            bench.server_core,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        try:
            self.port = self._read_port(kind.name)
        except BenchError:
            self.stop()
            raise

    def _read_port(self, name):
        ready, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT_SECONDS)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line.startswith("listening "):
            raise BenchError(f"{name} did not start")
        return int(line.split()[1])

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def private_bytes(self):
        """Memory of its own that the process has written to."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as rollup:
            found = re.search(r"^Private_Dirty:\s+(\d+) kB", rollup.read(), re.MULTILINE)
        return int(found.group(1)) * 1024

    def cpu_seconds(self):
        """CPU time that all threads of the process have used."""
        nanoseconds = 0
        for path in glob.glob(f"/proc/{self.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as schedstat:
                nanoseconds += int(schedstat.read().split()[0])
        return nanoseconds / 1e9

    def sleeps(self):
        """How often a thread of the process gave its core up to wait: it woke up as often."""
        count = 0
        for path in glob.glob(f"/proc/{self.pid}/task/*/status"):
            with open(path, encoding="ascii") as status:
                found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read(), re.MULTILINE)
            count += int(found.group(1))
        return count


def load_command(bench, server, arguments):
    target = ["--connect", f"127.0.0.1:{server.port}", "--pid", str(server.pid)]
    return [bench.path("tcpkit-load"), *target, *(str(argument) for argument in arguments)]


class Load:
    """A running load generator; a context manager that ends it."""

    def __init__(self, bench, server, arguments):
        self.process = bench.popen(
            load_command(bench, server, arguments),
            bench.load_core,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def wait_until_ready(self):
        """For the idle workload: all connections are open and have echoed once."""
        ready, _, _ = select.select([self.process.stdout], [], [], LOAD_TIMEOUT_SECONDS)
        if not ready or self.process.stdout.readline() != b"ready\n":
            raise BenchError("the load generator could not open its connections")

    def result(self):
        try:
            output, _ = self.process.communicate(timeout=LOAD_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise BenchError("the load generator did not end") from None
        lines = output.decode().strip().splitlines()
        if self.process.returncode != 0 or not lines:
            raise BenchError("the load generator saw errors: " + " ".join(lines))
        return json.loads(lines[-1])


def run_load(bench, server, arguments):
    with Load(bench, server, arguments) as load:
        return load.result()
