"""Compares the declared scale of the wire with the setting of the controller (17050)."""

from __future__ import annotations

from watlowlib._internal.log import logger
from watlowlib.devices.session import Session
from watlowlib.errors import WatlowError
from watlowlib.model import Unit

log = logger(__name__)

DISPLAY_UNITS = "communications_display_units"
"""17050 of an EZ-ZONE PM; register 18 of a Series SD."""

HOW_TO_FIND_OUT = (
    "on most firmware 17050 sets the scale of the wire, on some it is a label only. To find out, "
    "compare a reading without conversion with the display: where it shows 25 °C or 77 °F, a wire "
    "in °C has 25 and a wire in °F has 77; the page 'Units' of the documentation has more"
)


def scale_warning(session: Session) -> str:
    """Return a warning if 17050 contradicts the declared scale; empty if it does not.

    Sends one read if a scale is declared. No warning if 17050 cannot be read.
    """
    declared = session.declared_scale
    reported = None if declared is None else reported_scale(session)
    if reported in (None, declared):
        return ""
    if session.driver.reports_scale:
        return (
            f"the scale is declared as {declared}, but register 18 of this Series SD is "
            f"{reported}; its values are in {reported}: correct temperature_unit or leave it out"
        )
    return (
        f"the scale of the wire is declared as {declared}, but 17050 (communications display "
        f"units) is {reported}; {HOW_TO_FIND_OUT}"
    )


def reported_scale(session: Session) -> Unit | None:
    """Return the scale that the controller reports (17050); None if it cannot be read."""
    try:
        if session.driver.reports_scale:
            return session.read_scale()
        label = session.read(session.registry.resolve(DISPLAY_UNITS), 1).label
    except WatlowError as error:
        log.info("%s: 17050 is not known: %s", session.name, error)
        return None
    return None if label is None else Unit(label)
