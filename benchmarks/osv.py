"""`osv`: the agent vulnerability-checker on a generated snapshot of 100,000 records; no sandbox is part of it."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from tests.stack import ROOT

PACK = ROOT / "shared/packs/security"
RECORDS = 100_000
PACKAGES = 30_000
PINNED = 200


def measure_osv() -> str:
    """One JSON line."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        osv, tree = Path(folder, "all.zip"), Path(folder, "tree")
        tree.mkdir()
        (tree / "requirements.txt").write_text("".join(f"package-{n}==1.0\n" for n in range(PINNED)))
        _write_snapshot(osv)
        began = time.perf_counter()
        answer = _check({"source": str(tree), "osv": str(osv)}, out=folder)
        seconds = time.perf_counter() - began
        packed_mb = osv.stat().st_size / 1e6
    figures = {
        "system": "penstock",
        "workload": "osv",
        "records": answer["snapshot"]["records"],
        "packed_mb": round(packed_mb, 1),
        "findings": answer["counts"]["total"],
        "seconds": round(seconds, 2),
        "memory_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }
    return json.dumps(figures)


def _check(request: dict[str, str], *, out: str) -> dict[str, dict[str, int]]:
    environment = {**os.environ, "PYTHONPATH": str(PACK / "lib"), "PENSTOCK_OUT": f"{out}/out"}
    done = subprocess.run(
        [sys.executable, "check.py"],
        cwd=PACK / "agents/vulnerability-checker",
        input=json.dumps(request).encode(),
        env=environment,
        capture_output=True,
        check=True,
    )
    answer: dict[str, dict[str, int]] = json.loads(done.stdout)
    return answer


def _write_snapshot(path: Path) -> None:
    """Records of about 1.7 KB, as most of osv.dev are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(RECORDS):
            archive.writestr(f"X-{number}.json", json.dumps(_record(number)))


def _record(number: int) -> dict[str, object]:
    package = {"ecosystem": "PyPI", "name": f"package-{number % PACKAGES}"}
    events = [{"introduced": "0"}, {"fixed": f"1.{number % 7}"}]
    return {
        "id": f"X-{number}",
        "modified": "2026-11-01T00:00:00Z",
        "aliases": [f"CVE-0000-{number}"],
        "summary": f"Problem {number}",
        "details": " ".join(f"{(number * 7919 + n * 104729) % 1_000_003:x}" for n in range(150)),
        "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
        "references": [{"type": "WEB", "url": f"https://example.org/{number}/{n}"} for n in range(8)],
    }
