"""The demo district of the domain notes: its files, the program that makes them, and the loader.

All of it is fictitious: no enterprise has a code with such a body, no person an identity number with such a prefix.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "plans" / "chengqu-2026" / "demo"

# Order of loading. Platforms stand before the R&D units that point to them; nothing else depends on the order.
REGISTRY = (
    "enterprises",
    "hnte-certificates",
    "tech-sme-entries",
    "above-scale-spells",
    "platforms",
    "rd-units",
    "tech-contracts",
    "patents",
    "industrial-internet-projects",
    "credit-lines",
    "agri-bases",
    "agri-varieties",
    "statistics",
    "evidence-items",
)
INCENTIVES = ("introductions", "talent-recognitions", "teams")
AWARDS = ("budgets", "applications")  # after the introductions and the policies that they name
SERVICE_OF = dict.fromkeys(REGISTRY, "registry") | dict.fromkeys((*INCENTIVES, *AWARDS), "incentives")
STEPS = "steps"  # what happens after the bulk load: repeated posts, backdated changes, corrections
