"""Books what it is told into the store of these tests, and undoes it."""

from typing import Any

from penstock.agents import agent, context, store


@agent
def ledger(
    book: dict[str, Any] | None = None,
    close: list[str] | None = None,
    fail: bool = False,
    undo: bool = False,
    wrong: str = "",
) -> dict[str, Any]:
    """Fails its first attempt after it has written, if `fail`; `wrong` names a request that must be refused."""
    accounts = store.open("ledger")
    if undo:
        return {"undone": accounts.undo()._asdict()}
    if wrong:
        return {"error": _refused(wrong)}
    puts = [store.put("accounts", name, {"name": name, **fields}) for name, fields in (book or {}).items()]
    versions = accounts.write([*puts, *(store.delete("accounts", name) for name in close or [])])
    if fail and context.attempt == 1:
        raise ConnectionError("lost after the write")
    rich = [row.key for row in accounts.rows("accounts", {"balance": {">": 10}}, order="balance")]
    return {"versions": len(versions), "rich": rich, "none": accounts.get("accounts", "nobody")}


def _refused(wrong: str) -> str:
    accounts = store.open("ledger")
    try:
        if wrong == "store":
            store.open("leger").get("accounts", "ada")
        elif wrong == "row":
            accounts.write([store.put("accounts", "ada", {"nam": "ada"})])
        elif wrong == "version":
            accounts.write([store.put("accounts", "ada", {"name": "ada"}, version=0)])
        elif wrong == "question":
            list(accounts.rows("accounts", order="balanse"))
        else:
            list(accounts.rows("acounts"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was refused"


if __name__ == "__main__":
    ledger.run()
