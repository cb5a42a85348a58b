"""Everything that can be wrong, in the order of the walk. Of one stage the first that holds is told, so what is more
particular stands before what is more general.
"""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.causes import calling, listing, loading, offering, reaching, serving
from secpkg.kit.doctor.model import Cause

CAUSES: Final[tuple[Cause, ...]] = (
    *reaching.CAUSES,
    *listing.CAUSES,
    *offering.CAUSES,
    *loading.CAUSES,
    *serving.CAUSES,
    *calling.CAUSES,
)
