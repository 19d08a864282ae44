"""Names of serial settings, for scripts written for another library."""

from watlowlib.model import TextEnum


class ByteSize(TextEnum):
    """Data bits."""

    SEVEN = "7"
    EIGHT = "8"


class Parity(TextEnum):
    """Parity."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


class StopBits(TextEnum):
    """Stop bits."""

    ONE = "1"
    TWO = "2"
