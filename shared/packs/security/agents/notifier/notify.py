"""The agent notifier: writes the message that tells people of a result, for whom the run's input names.

It sends nothing itself, and so needs neither a network nor a secret: what it answers is part of the run's output,
and subscriptions deliver that, signed and repeated until it has arrived.
"""

from typing import Any

from penstock.agents import agent

COUNTED = ("high", "medium", "low")
TEXT_CHARS_MAX = 2_000  # the run's output reaches subscriptions only while all of it has at most 8 KiB
NOBODY = "Nobody is told: the run names no channel (input `notify`)."


@agent
def notify(
    subject: str,
    verdict: str,
    channel: str = "",
    counts: dict[str, int] | None = None,
    notes: list[str] | None = None,
    link: str = "",
    run: dict[str, Any] | None = None,
) -> dict[str, Any]:
    title = f"{subject}: {verdict}"
    found = ", ".join(f"{number} {name}" for name in COUNTED if (number := (counts or {}).get(name, 0)))
    identity = (run or {}).get("id", "")
    where = link or (f"penstock runs get {identity}" if identity else "")
    lines = [title, f"Found: {found or 'nothing'}.", *(notes or ()), where]
    told = f"Told to whoever has subscribed to '{channel}'; penstock deliveries ls shows what has arrived."
    return {
        "channel": channel,
        "is_addressed": bool(channel),
        "sentence": told if channel else NOBODY,
        "title": title,
        "text": "\n".join(line for line in lines if line)[:TEXT_CHARS_MAX],
        "verdict": verdict,
        "counts": counts or {},
        "link": link,
        "run": identity,
    }


if __name__ == "__main__":
    notify.main()
