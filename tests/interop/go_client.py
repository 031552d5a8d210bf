"""Builds tls_client.go with the Go of this machine, without the network, and runs it."""

import os
import re
import shutil
import subprocess

from support import SEARCH_PATH, TIMEOUT_S
from tls_support import clean_environment

BUILD_S = 240  # the first build of crypto/tls is slow on a busy machine
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tls_client.go")
LEAST_VERSION = (1, 21)
GO = shutil.which("go", path=SEARCH_PATH + ":/usr/local/go/bin")


def missing():
    """Why there is no client of Go; "" if there is one."""
    if GO is None:
        return "go is not installed (apt install golang-go)"
    told = subprocess.run([GO, "version"], capture_output=True, text=True, check=False,
                          timeout=TIMEOUT_S).stdout
    version = re.search(r"go(\d+)\.(\d+)", told)
    if version is None or (int(version[1]), int(version[2])) < LEAST_VERSION:
        return f"this Go is too old: {told.strip()}"
    return ""


class GoClient:
    def __init__(self, authority):
        self.authority = authority
        self.program = authority.path("go-client")
        source = shutil.copy(SOURCE, authority.path("main.go"))
        environment = {**clean_environment(), "GOFLAGS": "-mod=mod", "GOPROXY": "off",
                       "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        built = subprocess.run([GO, "build", "-o", self.program, source], check=False,
                               capture_output=True, text=True, timeout=BUILD_S, env=environment,
                               cwd=authority.folder)
        if built.returncode != 0:
            raise AssertionError(f"the client of Go is not built: {built.stderr}")

    def command(self, server, *flags, host):
        return [self.program, "-address", server.address, "-host", host,
                "-root", self.authority.path("root.pem"), *flags]

    def certificate(self, name):
        return ["-cert", self.authority.path(f"{name}-chain.pem"),
                "-key", self.authority.path(f"{name}-key.pem")]
