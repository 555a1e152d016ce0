"""The sandbox's /etc: a folder of our own making, bound read-only, so that nothing of the host's shows."""

import shutil
from pathlib import Path

from agent_runner.sandbox.users import SLOTS_MAX

_FILES = {
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hostname": "sandbox\n",
    "resolv.conf": "",  # there is nobody to ask: names are resolved by the proxy outside
}
_COPIES = ("ld.so.cache", "ssl/certs/ca-certificates.crt", "ssl/openssl.cnf", "localtime", "mime.types")
_CERTIFICATES = "ssl/certs/ca-certificates.crt"


def make_etc(folder: Path, *, uid_first: int) -> None:
    """Fill `folder` for all slots of a runner: made once, bound into each of its sandboxes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items() | _accounts(uid_first).items():
        (folder / name).write_text(text)
    for name in _COPIES:
        source, target = Path("/etc", name), folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    if Path("/etc/alternatives").is_dir():
        shutil.copytree("/etc/alternatives", folder / "alternatives", symlinks=True, dirs_exist_ok=True)
    if (folder / _CERTIFICATES).exists():
        (folder / "ssl/cert.pem").symlink_to("certs/ca-certificates.crt")


def _accounts(uid_first: int) -> dict[str, str]:
    uids = range(uid_first, uid_first + SLOTS_MAX)  # 200 KB, read only by a program that asks for its name
    users = [f"agent:x:{uid}:{uid}:agent:/tmp:/bin/sh" for uid in uids]
    groups = [f"agent:x:{uid}:" for uid in uids]
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"
    return {
        "passwd": "\n".join(["root:x:0:0:root:/nonexistent:/usr/sbin/nologin", *users, nobody, ""]),
        "group": "\n".join(["root:x:0:", *groups, "nogroup:x:65534:", ""]),
    }
