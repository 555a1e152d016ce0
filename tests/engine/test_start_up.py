"""What an orchestrator says when it cannot start."""

import os
import subprocess
import sys
from pathlib import Path

from penstock_cli.embedded.ports import free_port


def test_an_absent_database_is_one_sentence_that_names_the_setting(tmp_path: Path) -> None:
    settings = {
        "PENSTOCK_ORCHESTRATOR_HTTP_PORT": str(free_port()),
        "PENSTOCK_ORCHESTRATOR_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/penstock",
        "PENSTOCK_ORCHESTRATOR_NATS_PASSWORD": "unused",
        "PENSTOCK_ORCHESTRATOR_ARTIFACTS_FOLDER": str(tmp_path),
    }

    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator"],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 1
    assert "PENSTOCK_ORCHESTRATOR_DATABASE_URL: the database does not answer" in ended.stderr
    assert "Traceback" not in ended.stderr
