"""The runner's pure parts: packing, redaction, secrets, what is given to a folder."""

import base64
import json
import os
import re
import string
import urllib.parse
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runner.clocks import lease_clock, safe_until
from agent_runner.granted_secrets import UnsafeSecrets, read_secrets
from agent_runner.redaction import MARK, Redaction
from agent_runner.results import pack
from agent_runner.work_folder import UnusableFolder, claimed
from penstock.contracts.limits import MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX, RESULTS_PER_MESSAGE_MAX
from penstock.contracts.messages import Result, Results
from penstock.contracts.wire import decode, encode, raw

EXAMPLES = 30  # each compiles a pattern


def _encoded(output: bytes = b"1") -> tuple[object, bytes]:
    token = uuid4()
    return token, encode(Result(uuid4(), "n", 1, token, output=raw(output)))


def test_results_are_packed_within_the_limits_and_in_order() -> None:
    large = b'"' + b"x" * (OUTPUT_BYTES_MAX - 2) + b'"'
    results = [_encoded() for _ in range(200)] + [_encoded(large) for _ in range(9)]

    messages = pack(results, runner='a"b')  # type: ignore[arg-type]

    assert all(len(message) <= MESSAGE_BYTES_MAX for message in messages)
    unpacked = [decode(message, Results) for message in messages]
    assert {batch.runner for batch in unpacked} == {'a"b'}
    assert max(len(batch.results) for batch in unpacked) == RESULTS_PER_MESSAGE_MAX
    assert [result.token for batch in unpacked for result in batch.results] == [token for token, _ in results]


def test_nothing_packs_into_nothing() -> None:
    assert pack([], runner="r") == []


@settings(max_examples=EXAMPLES)
@given(
    secret=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=4, max_size=40),
    before=st.text("abc:=", max_size=5),
    after=st.text("abc:=", max_size=5),
)
def test_secret_is_hidden_in_every_form(secret: str, before: str, after: str) -> None:
    redact = Redaction([secret])

    for form in (secret, *url_forms(secret), json.dumps(secret)[1:-1]):
        assert MARK in redact(f"{before}{form}{after}")
    for form in base64_forms(f"{before}{secret}{after}"):
        assert MARK in redact(form)


def url_forms(secret: str) -> list[str]:
    """As programs write it into addresses and forms, with hexadecimal digits in both cases."""
    forms = [urllib.parse.quote(secret, safe=safe) for safe in ("", "/", "!'()*-._~")]
    forms.append(urllib.parse.quote_plus(secret))
    lower = [re.sub("%..", lambda found: found[0].lower(), form) for form in forms]
    return forms + lower


def base64_forms(text: str) -> list[str]:
    """Standard and URL-safe, with and without padding, and in an address."""
    forms = [encode(text.encode()).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    forms += [form.rstrip("=") for form in forms]
    return forms + [urllib.parse.quote(form, safe="") for form in forms]


@settings(max_examples=EXAMPLES)
@given(
    secret=st.text(string.ascii_letters + string.digits + "+/-_.~ %&=", min_size=8, max_size=60).map(
        str.strip
    ),
    prefix=st.text("xyz", max_size=4),
)
def test_nothing_of_a_secret_is_left_in_base64(secret: str, prefix: str) -> None:
    if len(secret) < 8:
        return
    redact = Redaction([secret])

    for form in base64_forms(prefix + secret):
        hidden = redact(form)
        left, mark, right = hidden.partition(MARK)
        assert (mark, right) == (MARK, "")
        assert len(left) <= len(base64.b64encode(prefix.encode()).rstrip(b"="))


def test_base64_is_hidden_as_tools_wrap_it() -> None:
    key = (
        "-----BEGIN KEY-----\n"
        + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n" * 4
        + "-----END KEY-----\n"
    )
    redact = Redaction([key])

    for text in (key, key.strip()):
        assert set(map(redact, base64.encodebytes(text.encode()).decode().split())) == {MARK}


def test_a_secret_that_a_cut_went_through_is_hidden() -> None:
    redact = Redaction(["s3cr3t-t0ken"])

    assert redact.of_cut("a long line s3cr3t-t") == f"a long line {MARK}"
    assert redact.of_cut("a long line s3c") == "a long line s3c"
    assert redact.of_cut("s3cr3t-t0ken, and a long line") == f"{MARK}, and a long line"


def test_each_line_of_a_long_secret_is_hidden() -> None:
    redact = Redaction(["-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----"])

    assert redact("line: MIIEvQIBADANBgkq") == f"line: {MARK}"


def test_short_words_are_left_alone() -> None:
    assert Redaction(["abc", ""])("abc of everything") == "abc of everything"


def test_secrets_are_read_by_project(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text("default: {TOKEN: abc}\nblue: {TOKEN: def}\n")
    file.chmod(0o600)

    secrets = read_secrets(file)

    assert (secrets.value("default", "TOKEN"), secrets.value("blue", "TOKEN")) == ("abc", "def")
    assert secrets.value("red", "TOKEN") is None


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("default: {TOKEN: abc}", 0o644, "chmod 600"),
        ("default: abc", 0o600, "default: expected a mapping"),
        ("default: {TOKEN: 5}", 0o600, "default: expected a mapping of names to strings"),
        ("{", 0o600, "neither YAML nor JSON"),
        ("", 0o600, "expected a mapping"),
    ],
)
def test_unusable_secrets_say_what_to_change(tmp_path: Path, text: str, mode: int, words: str) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(text)
    file.chmod(mode)

    with pytest.raises(UnsafeSecrets, match=words):
        read_secrets(file)


def test_lease_is_trusted_for_less_than_it_lasts() -> None:
    sent_at = lease_clock()

    assert sent_at < safe_until(sent_at=sent_at, lease_s=30) < sent_at + 30


def test_work_folder_finds_a_short_path_for_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)

    with claimed(deep, runner="r") as folder:
        assert len(str(folder.sockets)) < 90
        assert folder.sockets.is_dir()
    assert not folder.sockets.exists()


def test_work_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(UnusableFolder, match="PENSTOCK_RUNNER_WORK_FOLDER"),
        claimed(tmp_path / "file", runner="r"),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_work_folder_of_a_stranger_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)

    with pytest.raises(UnusableFolder, match="belongs to uid 65534"), claimed(tmp_path, runner="r"):
        pass
