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
    except WatlowConnectionError:
        print(title, "connection")
    except WatlowTransportError:
        print(title, "transport")
    except WatlowProtocolError as error:
        print(title, "protocol", error.context.address)
    except WatlowValidationError:
        print(title, "validation")
    except WatlowConfigurationError:
        print(title, "configuration")
    except WatlowError:
        print(title, "other")
    except (RuntimeError, TypeError):
        print(title, "built-in")


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
