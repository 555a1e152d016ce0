"""The pack's way through bandit says what bandit's own way says, although it asks fewer tests."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.packs.agent_process import ENVIRONMENT
from tests.packs.expectations import PACK

# In a process of its own: the pack's library is on no path here, and bandit changes what Python prints as warnings.
COMPARE = """
import sys
from pathlib import Path
from bandit.core import manager
from guard import insecure

def said(checker):
    names = ("fname", "lineno", "col_offset", "test_id", "text", "severity", "confidence")
    issues = [tuple(getattr(issue, name) for name in names) for issue in checker.get_issue_list()]
    return issues, checker.skipped, checker.metrics.data

paths = [Path(name) for name in sys.argv[1:]]
ours = insecure.checked(paths)
own = manager.BanditManager(insecure._CONFIG, "file", quiet=True)
own.files_list = [str(path) for path in paths]
own.run_tests()
assert said(ours) == said(own), (said(ours)[0], said(own)[0])
print(*(found[3] for found in said(ours)[0]))
"""
# What each test of calls has something to say of.
CALLS = {
    "B102": "exec(x)",
    "B103": "import os\nos.chmod('/x', 0o777)",
    "B113": "import requests\nrequests.get(x)",
    "B201": "import flask\nflask.Flask('x').run(debug=True)",
    "B202": "import tarfile\ntarfile.open(x).extractall()",
    "B301": "import pickle\npickle.loads(x)",
    "B306": "__import__('tempfile').mktemp()\nimport tempfile as t\nt.mktemp()",
    "B307": "eval(x)",
    "B312": "import telnetlib\ntelnetlib.Telnet(x)",
    "B324": "import hashlib\nhashlib.md5(x)",
    "B401": "import importlib\nimportlib.import_module('telnetlib')",
    "B501": "import requests\nrequests.get(x, verify=False, timeout=1)",
    "B502": "import ssl\nf(ssl_version=ssl.PROTOCOL_SSLv3)",
    "B504": "import ssl\nssl.wrap_socket(x)",
    "B505": "import Crypto.PublicKey.RSA\nCrypto.PublicKey.RSA.generate(512)",
    "B506": "import yaml\nyaml.load(x)",
    "B507": "import paramiko\nparamiko.SSHClient().set_missing_host_key_policy(paramiko.AutoAddPolicy)",
    "B508": "import pysnmp.hlapi\npysnmp.hlapi.CommunityData('x', mpModel=0)",
    "B509": "import pysnmp.hlapi\npysnmp.hlapi.UsmUserData('x')",
    "B601": "import paramiko\nparamiko.SSHClient().exec_command(x)",
    "B602": "import subprocess\nsubprocess.run(x, shell=True)",
    "B603": "import subprocess\nsubprocess.run([x])",
    "B604": "f(shell=True)",
    "B605": "from os import system as quiet\nquiet(x)",
    "B606": "import os\nos.execl('/x', 'y')",
    "B607": "import subprocess\nsubprocess.run(['ls'])",
    "B609": "import os\nos.system('chown x *')",
    "B610": "q.objects.extra(where=[x + 'y'], tables=x)",
    "B611": "from django.db.models.expressions import RawSQL\nRawSQL(x)",
    "B612": "import logging.config\nlogging.config.listen(1)",
    "B614": "import torch\ntorch.load(x)",
    "B615": "from transformers import AutoModel\nAutoModel.from_pretrained('x/y')",
    "B701": "import jinja2\njinja2.Environment()",
    "B702": "import mako.template\nmako.template.Template(x)",
    "B703": "from django.utils.safestring import mark_safe\nmark_safe(x)",
    "B704": "from markupsafe import Markup\nMarkup(x)",
}


def found(paths: Sequence[Path]) -> set[str]:
    """The tests that have found something, if bandit says the same."""
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, *map(str, paths)],
        env=ENVIRONMENT | {"PYTHONPATH": str(PACK / "lib")},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return set(done.stdout.decode().split())


def test_each_test_of_calls_still_finds_its_problem_alone_in_a_file(tmp_path: Path) -> None:
    for rule, source in CALLS.items():
        (tmp_path / f"{rule}.py").write_text(f"{source}\n")
    assert found(sorted(tmp_path.iterdir())) >= CALLS.keys()


def test_imports_text_and_handlers_are_asked_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "import telnetlib\nfrom pickle import loads as l\nx = '0.0.0.0'\npassword = 'hunter2'\ny = '/tmp/x'\n"
        "q = 'select * from a where b = ' + x\ntry:\n    l(x)\nexcept Exception:\n    pass\nassert x\n"
    )
    assert found([path]) == {"B101", "B104", "B105", "B108", "B110", "B301", "B401", "B403", "B608"}


@pytest.mark.parametrize(
    "source",
    [
        "\uff45val('1')\n".encode(),  # full width: Python reads eval
        b"# coding: utf-7\n+AGUAdgBhAGw-('1')\n",
        "import requests as r\nx = '\u00e4'\nr.get(x)\n".encode(),
    ],
)
def test_letters_that_stand_for_others_hide_nothing(tmp_path: Path, source: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(source)
    assert found([path]) in ({"B307"}, {"B113"})


def test_a_letter_that_turns_the_line_around_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1  # \u202e\n", encoding="utf-8")
    assert found([path]) == {"B613"}


def test_switched_off_findings_are_counted_as_bandit_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import subprocess  # nosec\nsubprocess.run('ls', shell=True)  # nosec B602\n")
    assert found([path]) == {"B607"}
