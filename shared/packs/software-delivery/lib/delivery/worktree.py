"""The Git working tree of a delivery: begun from nothing or a given repository, handed on as a bundle.

Real `git`, with a configuration of its own: no hooks, nothing of the machine's, and no protocol but files.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

BRANCH = "delivery"
BASE = "delivery-base"  # a tag: what there was before anybody worked on it
_BASE = f"refs/tags/{BASE}"
FILE_BYTES_MAX = 512 * 1024
GIT_SECONDS_MAX = 120
MESSAGE_CHARS_MAX = 20_000  # of a commit: a model may talk for longer, and one argument has its limit
_CONFIGURATION = """[safe]
\tdirectory = *
[core]
\thooksPath = /dev/null
\tautocrlf = false
[commit]
\tgpgSign = false
[gc]
\tauto = 0
[protocol]
\tallow = never
[protocol "file"]
\tallow = always
[init]
\tdefaultBranch = delivery
"""


class GitFailed(Exception):
    """git refused; the message is its own."""


class Outside(Exception):
    """A path that leads out of the tree, or into what is git's."""


@dataclass(frozen=True)
class Tree:
    """A checked-out branch `delivery`. Paths are relative to it, with forward slashes."""

    folder: Path

    def path_of(self, name: str) -> Path:
        """The file's place; raises Outside for anything that is not a plain file below the tree."""
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or ".git" in [part.lower() for part in parts]:
            raise Outside(f"'{name[:200]}': expected a path below the tree, such as package/module.py")
        path = self.folder.joinpath(*parts)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise Outside(f"'{name}' leads out of the tree through a link")
        return path

    def write(self, files: Mapping[str, str], *, keep: bool = False) -> list[str]:
        """Write the files, and give the names of those written; with `keep` what is there stays as it is."""
        written = []
        for name, content in files.items():
            path = self.path_of(name)
            if len(content.encode()) > FILE_BYTES_MAX:
                raise Outside(f"'{name}': at most {FILE_BYTES_MAX:,} bytes")
            if not (keep and path.exists()):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
                written.append(name)
        if written:  # even what a given .gitignore leaves out: it would be missing in what is handed on
            self.git("add", "--force", "--", *(f":(literal){name}" for name in written))
        return written

    def files(self) -> list[str]:
        """What git tracks or would track."""
        listed = self.git("ls-files", "--cached", "--others", "--exclude-standard", "-z")
        return sorted({name for name in listed.split("\0") if name and (self.folder / name).is_file()})

    def commit(self, role: str, message: str) -> str:
        """Commit everything as `role`, and give the commit; nothing to commit: an empty text."""
        self.git("add", "--all")
        if not self.git("status", "--porcelain"):
            return ""
        self.git("commit", "--quiet", "--message", message.replace("\0", " ")[:MESSAGE_CHARS_MAX], role=role)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    def diff(self, *options: str) -> str:
        """What was changed since the beginning."""
        return self.git("diff", "--no-color", "--no-ext-diff", *options, _BASE, "HEAD", "--")

    def patch(self, path: Path) -> Path:
        """What was changed since the beginning, for `git apply`. git writes it, so that every byte stays."""
        self.git("diff", "--no-color", "--no-ext-diff", "--binary", f"--output={path}", _BASE, "HEAD", "--")
        return path

    def given(self) -> set[str]:
        """The files that were there before anybody worked on the tree."""
        return {name for name in self.git("ls-tree", "-r", "-z", "--name-only", _BASE).split("\0") if name}

    def changed_since(self, bundle: str) -> list[str]:
        """Files that differ from those of the tree in `bundle`; raises GitFailed if its history was rewritten."""
        refs = {"head": f"refs/heads/{BRANCH}", "base": _BASE}
        self.git("fetch", "--quiet", bundle, *(f"+{ref}:refs/given/{name}" for name, ref in refs.items()))
        self.git("merge-base", "--is-ancestor", "refs/given/head", "HEAD")
        if self.git("rev-parse", _BASE) != self.git("rev-parse", "refs/given/base"):
            raise GitFailed(f"the tag {BASE} was moved")
        changed = self.git("diff", "--name-only", "--no-renames", "-z", "refs/given/head", "HEAD", "--")
        return [name for name in changed.split("\0") if name]

    def log(self) -> list[dict[str, str]]:
        """The commits since the beginning, oldest first."""
        told = self.git("log", "--reverse", "--format=%h%x1f%an%x1f%s", f"{_BASE}..HEAD", "--")
        lines = [line.split("\x1f", 2) for line in told.split("\n") if line]
        return [dict(zip(("commit", "by", "subject"), line, strict=True)) for line in lines]

    def bundle(self, path: Path, *refs: str) -> Path:
        """The branch with its whole history in one file, to be cloned from."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.git("bundle", "create", str(path), "HEAD", f"refs/heads/{BRANCH}", _BASE, *refs)
        return path

    def export(self, target: Path) -> Path:
        """A copy of the files as they are now, without .git: tests run there and leave the tree alone."""
        self.git("add", "--all")
        target.mkdir(parents=True, exist_ok=True)
        self.git("checkout-index", "--all", "--force", f"--prefix={target}/")
        return target

    def git(self, *arguments: str, role: str = "delivery") -> str:
        return run_git(*arguments, folder=self.folder, role=role)


def begin(repository: str | None) -> Tree:
    """A tree on the last commit of `repository`: a folder with or without .git, or a Git bundle; or an empty one."""
    tree = Tree(_new_folder())
    tree.git("init", "--quiet")
    source = Path(repository) if repository else None
    if source is None:
        tree.git("commit", "--quiet", "--allow-empty", "--message", "Begin", role="requester")
    elif source.is_file() or (source / ".git").exists():
        _take_history(tree, source)
    else:
        shutil.copytree(source, tree.folder, dirs_exist_ok=True, symlinks=True)
        if not tree.commit("requester", "Take over the given files"):
            tree.git("commit", "--quiet", "--allow-empty", "--message", "Begin", role="requester")
    tree.git("tag", "--force", BASE)
    return tree


def opened(bundle: str | Path, *, commit: str | None = None) -> Tree:
    """The tree that an agent before has handed on. With `commit`: raises GitFailed if it is not at that one."""
    tree = Tree(_new_folder())
    run_git("clone", "--quiet", "--branch", BRANCH, str(bundle), str(tree.folder), folder=tree.folder)
    if commit not in (None, tree.head()):
        raise GitFailed("the tree is not the one that the tests saw: code that they ran has changed it")
    return tree


def _take_history(tree: Tree, source: Path) -> None:
    given = str(source.resolve())
    heads = {line.split("\t")[1] for line in tree.git("ls-remote", given).splitlines()}
    usual = ("HEAD", "refs/heads/main", "refs/heads/master", *sorted(heads))
    name = next((each for each in usual if each in heads), None)
    if name is None:
        raise GitFailed("repository: there is no commit in it")
    tree.git("fetch", "--quiet", "--no-tags", given, name)
    tree.git("checkout", "--quiet", "-B", BRANCH, "FETCH_HEAD")


def run_git(*arguments: str, folder: Path, role: str = "delivery") -> str:
    """git's stdout; raises GitFailed with its stderr."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=_environment(role),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS_MAX,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitFailed("git is not installed where the runner is (Debian: apt-get install git)") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} took more than {GIT_SECONDS_MAX} s") from error
    if done.returncode:
        raise GitFailed(f"git {arguments[0]}: {done.stderr.strip()[-1_000:]}")
    return done.stdout


def _environment(role: str) -> dict[str, str]:
    configuration = Path(tempfile.gettempdir()) / f"delivery-git-{os.getpid()}.config"
    if not configuration.exists():
        configuration.write_text(_CONFIGURATION, encoding="utf-8")
    mail = f"{role}@delivery.invalid"
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": tempfile.gettempdir(),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": str(configuration),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
           (("NAME", role), ("EMAIL", mail))},
    }  # fmt: skip


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="delivery-"))
