"""Who receives what is transferred: a patent, a platform."""

from __future__ import annotations

from marshmallow import ValidationError

from shared.records.fields import CreditCode
from shared.records.kind import refuse
from shared.records.workflow import Context, Image, Request


def has_receiver(image: Image, request: Request, context: Context) -> None:
    """`into` is a credit code (GB 32100). Raises Invalid."""
    receiver(request)


def receiver(request: Request) -> str:
    """The normalised credit code of `into`. Raises Invalid."""
    try:
        return str(CreditCode().deserialize(request.into or ""))
    except ValidationError as wrong:
        raise refuse("/into", "invalid", " ".join(map(str, wrong.messages))) from None
