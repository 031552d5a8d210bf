"""What the tests of interoperation share: processes, ports, and programs that may be missing."""

import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

SKIPPED = 77  # shown as skipped by ctest
TIMEOUT_S = 10  # of one start, connect or answer
ATTEMPTS = 5  # to find a port that nobody takes before the proxy does
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)


def exchange(client, sent):
    """Sends bytes and reads meanwhile, on one thread, as clients of ssl need it. Returns as many
    that come back, fewer if the stream ends."""
    wait = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
    unsent, received = memoryview(sent), bytearray()
    client.setblocking(False)
    while len(received) < len(sent):
        before = len(unsent), len(received)
        try:
            unsent = unsent[client.send(unsent[:65536]):] if unsent else unsent
        except wait:
            pass
        try:
            if not (chunk := client.recv(65536)):
                break
            received += chunk
        except wait:
            pass
        if before == (len(unsent), len(received)):
            writers = [client] if unsent else []
            if select.select([client], writers, [], TIMEOUT_S) == ([], [], []):
                raise TimeoutError(f"{len(received)} of {len(sent)} bytes came back")
    client.settimeout(TIMEOUT_S)
    return bytes(received)


class Process:
    """A process in the foreground, killed at the end, with all it wrote to stderr in a file."""

    def __init__(self, command, environment=None):
        self.errors_file = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors_file, bufsize=0, env=environment)

    def first_line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT_S)
        return self.process.stdout.readline().decode() if ready else ""

    def errors(self):
        self.errors_file.seek(0)
        return self.errors_file.read()

    def wait_for_error(self, wanted, timeout_s=TIMEOUT_S):
        """Returns what was written to stderr once it matches the wanted expression."""
        deadline = time.monotonic() + timeout_s
        while not re.search(wanted, written := self.errors()):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {wanted!r} in {written!r}")
            time.sleep(0.02)
        return written

    def listens_on(self, ports):
        """Waits until every port answers; false if the process ends first."""
        deadline = time.monotonic() + TIMEOUT_S
        waiting = list(ports)
        while waiting and self.process.poll() is None and time.monotonic() < deadline:
            try:
                connect(waiting[0]).close()
                waiting.pop(0)
            except OSError:
                time.sleep(0.02)
        return not waiting and self.process.poll() is None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
        self.errors_file.close()


def start_proxy(folder, configuration, listeners, command):
    """Starts a proxy with a free port for each listener; command makes its command line of the
    path of the configuration. Returns the process and the ports by listener."""
    config = os.path.join(folder, f"{listeners[0]}.conf")
    for _ in range(ATTEMPTS):
        ports = dict(zip(listeners, free_ports(len(listeners))))
        with open(config, "w", encoding="utf-8") as file:
            file.write(configuration(ports))
        proxy = Process(command(config))
        if proxy.listens_on(ports.values()):
            return proxy, ports
        errors = proxy.errors()
        proxy.kill()
    raise AssertionError(f"a proxy does not start: {errors}")


def stream_module_line(nginx):
    """The line that loads the stream module, "" if it is built in; None if there is none."""
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False,
                           timeout=TIMEOUT_S).stderr
    if re.search(r"--with-stream(\s|$)", built):
        return ""
    folder = re.search(r"--modules-path=(\S+)", built)
    path = os.path.join(folder.group(1) if folder else "", "ngx_stream_module.so")
    return f"load_module {path};" if os.path.exists(path) else None


def find_programs(names, packages):
    """Paths of programs; ends the test as skipped if one is missing."""
    programs = {name: shutil.which(name, path=SEARCH_PATH) for name in names}
    missing = [name for name, path in programs.items() if path is None]
    if not missing and "nginx" in programs and stream_module_line(programs["nginx"]) is None:
        missing = ["the stream module of nginx"]
    if missing:
        print(f"skipped: not installed: {', '.join(missing)} (apt install {packages})")
        sys.exit(SKIPPED)
    return programs


def run_tests(longest_run_s):
    """Runs the tests of the script; what they started is killed if it takes too long."""
    def end_late(*_):
        raise SystemExit(f"not done after {longest_run_s} s")

    signal.signal(signal.SIGALRM, end_late)
    signal.signal(signal.SIGTERM, end_late)
    signal.alarm(longest_run_s)
    unittest.main()
