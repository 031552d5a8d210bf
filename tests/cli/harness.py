"""Starts the program tcpkit as its users do, and talks to its servers. The first argument of the
test script is the path of the program."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

if len(sys.argv) < 2:
    sys.exit(f"usage: {sys.argv[0]} PATH_OF_TCPKIT [unittest arguments]")
PROGRAM = os.path.abspath(sys.argv.pop(1))
TIMEOUT_S = 20


def clean_environment(**variables):
    """Environment of the tests without the variables that the program reads."""
    kept = {key: text for key, text in os.environ.items() if not key.startswith("TCPKIT_")}
    return {**kept, **variables}


def run(*arguments, account=None, **variables):
    """Runs a command line that ends by itself; account is that of subprocess, such as a user."""
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S,
                          env=clean_environment(**variables), stdin=subprocess.DEVNULL,
                          **(account or {}))


def runs_as(account):
    """False if the program is in a folder that the account may not enter."""
    try:
        return run("--version", account=account).returncode == 0
    except PermissionError:
        return False


def flags_of_help():
    """Long flags of `serve --help`, without those of the program itself."""
    flags = re.findall(r"^\s+(?:-\w,)?--([a-z0-9-]+)", run("serve", "--help").stdout, re.M)
    return [flag for flag in flags if flag not in ("help", "quiet")]


def is_tls_flag(flag):
    """True for flags that switch TLS on, and so need a certificate beside them."""
    return flag == "alpn" or flag.startswith("tls-") and flag != "tls-or-plain"


def groups_of_help():
    """Sets of long flags by their heading in `serve --help`."""
    groups, title = {}, None
    for line in run("serve", "--help").stdout.splitlines():
        if heading := re.match(r"(\S.*):$", line):
            title = heading.group(1)
        elif flag := re.match(r"\s+--([a-z0-9-]+)", line):
            groups.setdefault(title, set()).add(flag.group(1))
    return groups


class Server:
    """A running `tcpkit serve`, ended with a signal at the end of its with block."""

    def __init__(self, *arguments, listen=("tcp://127.0.0.1:0",), stderr=None, pass_fds=(),
                 **variables):
        command = [PROGRAM, "serve", *arguments]
        for address in listen:
            command += ["--listen", address]
        self.stderr_file = tempfile.TemporaryFile(mode="w+")
        # Unbuffered, because select sees only what Python has not read yet.
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0,
                                        stderr=stderr or self.stderr_file,
                                        stdin=subprocess.DEVNULL, pass_fds=pass_fds,
                                        env=clean_environment(**variables))

    def read_line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT_S)
        return self.process.stdout.readline().decode() if ready else ""

    def address(self):
        """The next bound address that the server prints."""
        line = self.read_line()
        if not line.startswith("listening on "):
            raise AssertionError(f"no address but {line!r}; stderr: {self.errors()}")
        return line[len("listening on "):].rstrip("\n")

    def errors(self):
        self.stderr_file.seek(0)
        return self.stderr_file.read()

    def wait_for_error(self, wanted):
        """Returns what was written to stderr once it has the wanted text."""
        deadline = time.monotonic() + TIMEOUT_S
        while wanted not in (written := self.errors()):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {wanted!r} in {written!r}")
            time.sleep(0.02)
        return written

    def end(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        return self.process.wait(TIMEOUT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
        self.stderr_file.close()


def connect(address):
    network, rest = address.split("://", 1)
    if network == "unix":
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(TIMEOUT_S)
        try:
            client.connect("\0" + rest[1:] if rest.startswith("@") else rest)
        except OSError:
            client.close()
            raise
        return client
    host, port = rest.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_S)


def read_to_end(client):
    chunks = []
    while chunk := client.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def exchange(address, sent):
    """Sends bytes, half-closes, and returns everything that comes back."""
    with connect(address) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return read_to_end(client)
