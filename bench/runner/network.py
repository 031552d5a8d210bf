"""A private network namespace with an unpaced congestion control.

A pacing default such as bbr makes loopback results bimodal and twice too slow, and connections in
TIME_WAIT of one run would disturb the machine's other programs.
"""
import os
import resource
import shutil
import subprocess
import sys

INSIDE = "TCPKIT_BENCH_INSIDE"
MAX_FILES = 20_000
LOOPBACK_ROUTES = ("127.0.0.0/8", "127.0.0.1")


def run_quietly(*command):
    """Returns whether the command ended well; a missing program counts as a failure."""
    if shutil.which(command[0]) is None:
        return False
    silence = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.run(command, check=False, **silence).returncode == 0


def enter_private_network():
    """Runs this program again inside a new namespace; returns there, or here if that cannot be."""
    if os.environ.get(INSIDE) is not None:
        return
    flags = ["-n"] if os.geteuid() == 0 else ["-r", "-n"]
    if not run_quietly("unshare", *flags, "true"):
        os.environ[INSIDE] = "shared"
        return
    os.environ[INSIDE] = "private"
    os.execvp("unshare", ["unshare", *flags, "--", sys.executable, *sys.argv])


def set_route_congestion_control(name):
    route = ["dev", "lo", "table", "local", "proto", "kernel", "scope", "host", "src", "127.0.0.1"]
    return all(
        run_quietly("ip", "route", "replace", "local", target, *route, "congctl", name)
        for target in LOOPBACK_ROUTES
    )


def set_default_congestion_control(name):
    try:
        with open("/proc/sys/net/ipv4/tcp_congestion_control", "w", encoding="ascii") as setting:
            setting.write(name)
        return True
    except OSError:
        return False


def prepare_network():
    """Brings loopback up; returns notes on what is not as it should be."""
    soft_wish = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft_wish, MAX_FILES), soft_wish))
    if os.environ.get(INSIDE) != "private":
        return ["NOTE: no private network namespace (unshare -n may not): the machine's own "
                "loopback and congestion control are measured; ratios may be bimodal."]
    if not run_quietly("ip", "link", "set", "lo", "up"):
        sys.exit("run.py: `ip link set lo up` failed in the private namespace (iproute2 missing?)")
    # A namespace may only choose a default that the machine allows to everybody; a route may
    # choose any.
    if set_default_congestion_control("cubic") or set_route_congestion_control("cubic"):
        return []
    if set_default_congestion_control("reno"):
        return ["NOTE: cubic is not to be had here, reno is used."]
    return ["NOTE: neither cubic nor reno could be set; see `congestion_control` in the results."]
