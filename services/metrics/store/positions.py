"""How far each partition has been folded into a generation: see `shared.log.positions`."""

from __future__ import annotations

from services.metrics.store.collections import Store
from shared.log import positions
from shared.log.positions import Overtaken as Overtaken
from shared.log.positions import Position as Position


class Positions(positions.Positions):
    """Positions of one generation."""

    def __init__(self, store: Store, generation: int) -> None:
        super().__init__(store.positions, str(generation), {"gen": generation})
