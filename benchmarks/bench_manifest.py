"""Bumping manifests: the largest realistic one, and two hundred in a row.

The baseline is lxml's parser alone, in the same process.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deploy_action.core.manifest import edit  # noqa: E402  the package is found by the line above

ROUNDS = 15
LARGEST = 86_000  # bytes: the largest of a thousand public manifests
SAMPLE = (ROOT / "addin" / "manifest.xml").read_bytes()


def large() -> bytes:
    """Return the sample with resources added until it has the largest size."""
    end = SAMPLE.rindex(b"</bt:Urls>")
    own = b"https://well-intake-api.example.com"
    single = b'\n        <bt:Url id="More.%d" DefaultValue="%s/more/%d.html?v=1.3.0.2" />'
    more, number = b"", 0
    while len(SAMPLE) + len(more) < LARGEST:
        more += single % (number, own, number)
        number += 1
    return SAMPLE[:end] + more.lstrip() + SAMPLE[end:]


def took(act: Callable[[], object]) -> float:
    """Return the median duration of *act* in seconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    big = large()
    own_s = took(lambda: edit.plan(big, file="m"))
    peer_s = took(lambda: etree.fromstring(big))
    edits = len(edit.plan(big, file="m").edits)
    print(f"one of {len(big):,} bytes, {edits} edits: {own_s * 1000:.1f} ms")
    print(f"  lxml's parse alone: {peer_s * 1000:.2f} ms; ratio {own_s / peer_s:.0f}")
    many = [SAMPLE.replace(b"1.3.0.2", b"1.3.0.%d" % number) for number in range(200)]
    own_s = took(lambda: [edit.plan(item, file="m") for item in many])
    peer_s = took(lambda: [etree.fromstring(item) for item in many])
    print(f"200 of {len(SAMPLE):,} bytes: {own_s:.2f} s")
    print(f"  lxml's parse alone: {peer_s:.3f} s; ratio {own_s / peer_s:.0f}")


main()
