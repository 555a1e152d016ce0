"""A stage of value-lifecycle that fails behind its write, or in the middle of it."""

from value_lifecycle.book import Book
from value_lifecycle.records import Account

from penstock.agents import TryAgain, agent, context


@agent
def probe(program: str, rows: int, lost_attempts: int = 0, wrong_last: bool = False) -> dict[str, int]:
    """`found`: what the program had when this attempt began."""
    book = Book(program)
    found = len(book.all(Account))
    names = [f"a{number:05}" for number in range(rows)]
    book.write(
        book.put(
            Account(
                program=program,
                account=name,
                title=name,
                segment="big",
                revenue=-1.0 if wrong_last and name == names[-1] else 1.0,
                owner="ruth",
            )
            for name in names
        )
    )
    if context.attempt <= lost_attempts:
        raise TryAgain("as if the runner had been lost behind the write")
    return {"found": found}


if __name__ == "__main__":
    probe.main()
