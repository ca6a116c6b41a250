"""Install the programs that the tests run, or list the missing ones.

Standard library only: it runs before anything is installed.
"""

import os
import shutil
import subprocess
import sys

# Program → Debian package.
PROGRAMS = {
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
    "ip": "iproute2",
    "git": "git",
    "curl": "curl",
    "node": "nodejs",
    "npm": "npm",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
}


def missing() -> dict[str, str]:
    """Return the programs that are not there, with their Debian packages."""
    return {name: package for name, package in PROGRAMS.items() if not _there(name)}


def _there(program: str) -> bool:
    extra = os.pathsep.join(["/usr/sbin", "/sbin"])
    return shutil.which(program, path=os.environ.get("PATH", "") + os.pathsep + extra) is not None


def main() -> int:
    """Install missing programs; return 1 if some are still missing."""
    lacking = missing()
    if lacking and shutil.which("apt-get") and os.geteuid() == 0:
        packages = sorted(set(lacking.values()))
        print(f"installing {', '.join(packages)}", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, env=quiet, check=True, stdout=subprocess.DEVNULL)
        lacking = missing()
    if lacking:
        print(
            "The tests need these programs: "
            + ", ".join(f"{name} (Debian package {package})" for name, package in lacking.items())
            + ". Install them, or run as root on Debian to have it done.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
