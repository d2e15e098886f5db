"""The incentives service's record kinds, one file each."""

from services.incentives.kinds import (
    application,
    budget,
    introduction,
    offer,
    payment_batch,
    policy,
    talent_recognition,
    team,
)
from shared.records.kind import Kind

KINDS: list[Kind] = [
    introduction.KIND, talent_recognition.KIND, team.KIND, policy.KIND, offer.KIND, budget.KIND, application.KIND, payment_batch.KIND,
]  # fmt: skip
