"""A generated source tree of 300 files, mostly Python, with problems planted in it: the same on every machine."""

import random
from collections.abc import Iterator
from pathlib import Path

SEED = 20_261_121
FILES = 300
FUNCTIONS = 6  # of a Python file, of about nine lines each

_PROBLEMS = (
    "hashlib.md5(data).hexdigest()",
    "yaml.load(data)",
    'subprocess.run(f"ls {data}", shell=True)',
    "pickle.loads(data)",
    "requests.get(data, verify=False)",
    "eval(data)",
)
_IMPORTED = ("hashlib", "pickle", "subprocess", "requests", "yaml")
_NGINX = (
    "server {\n    listen 443 ssl;\n    server_name site-%d.example;\n    ssl_protocols TLSv1.1 TLSv1.2;\n}\n"
)


def write_tree(root: Path) -> Path:
    for name, content in _files():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def _files() -> Iterator[tuple[str, str]]:
    chance = random.Random(SEED)
    yield "pyproject.toml", '[project]\nname = "generated"\nversion = "1"\nlicense = "MIT"\n'
    yield "requirements.txt", "".join(f"package-{n}=={n}.0\n" for n in range(40))
    yield "deploy/compose.yaml", "services:\n  web:\n    image: web\n    ports: ['127.0.0.1:80:80']\n"
    for number in range(7):
        yield f"deploy/site-{number}/nginx.conf", _NGINX % number
    for number in range(20):
        yield f"web/page-{number}.html", f"<html><body><h1>Page {number}</h1><p>Words.</p></body></html>\n"
    for number in range(20):
        yield f"docs/chapter-{number}.md", f"# Chapter {number}\n" + "Some words about nothing at all.\n" * 40
    for number in range(10):
        yield f"web/script-{number}.js", f"export const value{number} = {number};\n" * 40
    for number in range(FILES - 60):
        folder = "tests" if number % 6 == 0 else f"package_{number % 12}"
        yield f"{folder}/module_{number}.py", _module(number, chance)


def _module(number: int, chance: random.Random) -> str:
    functions = "".join(_function(f"work_{number}_{n}", chance) for n in range(FUNCTIONS))
    used = [f"import {name}\n" for name in _IMPORTED if f"{name}." in functions]
    return '"""Generated."""\n\n' + "".join(used) + functions


def _function(name: str, chance: random.Random) -> str:
    """One in twelve has a problem."""
    last = chance.choice(_PROBLEMS) if chance.random() < 1 / 12 else "str(data)"
    return (
        f'\n\ndef {name}(data, *, limit: int = {chance.randint(1, 99)}) -> "str":\n'
        f'    """Does {chance.choice(["this", "that"])} with the data."""\n'
        f"    total = 0\n"
        f"    for index, value in enumerate(range(limit)):\n"
        f"        if value % {chance.randint(2, 9)} == 0:\n"
        f"            total += index * {chance.randint(2, 999)}\n"
        f"    if total > limit:\n"
        f"        return {last}\n"
        f'    return f"{{total}} of {{limit}}"\n'
    )
