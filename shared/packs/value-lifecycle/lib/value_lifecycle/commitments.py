"""What is committed to, by whom it was approved, and on which days it will be measured."""

from dataclasses import replace
from datetime import date

from value_lifecycle.audit import digest_of
from value_lifecycle.records import Account, Commitment, Opportunity, Plan, Target
from value_lifecycle.trends import months_later

TERMS = (
    "program",
    "account",
    "metric",
    "baseline",
    "target",
    "start",
    "due",
    "value",
    "owner",
    "approved_by",
)
PLAN_DATES_MAX = 60
TOLERANCE_ERRORS = 2  # a difference within two standard errors is noise


def commitment_of(target: Target, account: Account, *, approved_by: str, approved_as: str) -> Commitment:
    draft = Commitment(
        program=target.program,
        account=target.account,
        metric=target.metric,
        baseline=target.baseline,
        target=target.target,
        start=target.start,
        due=target.due,
        value=target.value,
        owner=account.owner,
        approved_by=approved_by,
        approved_as=approved_as,
        digest="",
    )
    return replace(draft, digest=terms_digest(draft))


def terms_digest(commitment: Commitment) -> str:
    """SHA-256 of the terms, so that nobody changes them unseen."""
    row = commitment.row()
    return digest_of({name: row[name] for name in TERMS})


def plan_of(commitment: Commitment, one: Opportunity) -> Plan:
    """Every month from the start on; the last day is the day on which the target is due."""
    start, due = date.fromisoformat(commitment.start), date.fromisoformat(commitment.due)
    dates = [months_later(start, month) for month in range(1, PLAN_DATES_MAX)]
    return Plan(
        program=commitment.program,
        account=commitment.account,
        metric=commitment.metric,
        owner=commitment.owner,
        dates=tuple([day.isoformat() for day in dates if day < due] + [commitment.due]),
        tolerance=round(TOLERANCE_ERRORS * one.noise, 4),
    )
