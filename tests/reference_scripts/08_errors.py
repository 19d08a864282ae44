"""Catch the errors of the library by their classes."""

import sys

from watlowlib import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowProtocolError,
    WatlowTransportError,
    WatlowValidationError,
)
from watlowlib.sync import Watlow


def attempt(title, call):
    try:
        print(title, call())
    except WatlowConnectionError as error:
        print(title, "connection", type(error).__name__)
    except WatlowTransportError as error:
        print(title, "transport", type(error).__name__)
    except WatlowProtocolError as error:
        print(title, "protocol", type(error).__name__, error.context.address)
    except WatlowValidationError as error:
        print(title, "validation", type(error).__name__)
    except WatlowConfigurationError as error:
        print(title, "configuration", type(error).__name__)
    except WatlowError as error:
        print(title, "other", type(error).__name__)
    except (TypeError, ValueError, RuntimeError) as error:
        print(title, "built-in", type(error).__name__)


def open_missing_port():
    with Watlow.open("/dev/no_such_port") as ctl:
        return ctl.read_pv().value


attempt("missing port", open_missing_port)
with Watlow.open(sys.argv[1], address=1) as ctl:
    attempt("unknown name", lambda: ctl.read_parameter("no_such_parameter").value)
    attempt("unknown number", lambda: ctl.read_parameter(99999).value)
    attempt("instance 2", lambda: ctl.read_pv(instance=2).value)
    attempt("instance 0", lambda: ctl.read_pv(instance=0).value)
    attempt("instance 99", lambda: ctl.read_pv(instance=99).value)
    attempt("loop 0", lambda: ctl.loop(0).number)
    attempt("read only", lambda: ctl.write_parameter("process_value", 1.0, confirm=True).value)
    attempt("too high", lambda: ctl.set_setpoint(1e6, confirm=True).value)
    attempt("refused", lambda: ctl.set_setpoint(9000.0, confirm=True).value)
    attempt("a text", lambda: ctl.write_parameter("setpoint", "warm", confirm=True).value)
    attempt("empty poll", lambda: ctl.poll([]))
attempt("closed", lambda: ctl.read_pv().value)
