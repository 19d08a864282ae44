"""Read and write a controller over Modbus RTU."""

import sys

from watlowlib import (
    ProtocolKind,
    SerialSettings,
    WatlowModbusError,
    WatlowProtocolUnsupportedError,
)
from watlowlib.sync import Watlow

port = sys.argv[1]
settings = SerialSettings(port=port, baudrate=9600)
with Watlow.open(
    port, protocol=ProtocolKind.MODBUS_RTU, address=3, serial_settings=settings
) as ctl:
    pv = ctl.read_pv()
    print(pv.value, pv.unit, pv.protocol, ctl.read_setpoint().value)
    print(ctl.set_setpoint(85.0, confirm=True).value, ctl.read_setpoint().value)
    for sample in ctl.poll(["process_value", "setpoint", "control_mode"]):
        print(sample.protocol, sample.address, sample.parameter, sample.value, sample.unit)
    info = ctl.identify()
    print(info.protocol, repr(info.part_number.raw), info.address)
    try:
        print(ctl.read_pv(instance=2).value)
    except WatlowModbusError:
        print("modbus error")
    except WatlowProtocolUnsupportedError:
        print("not over Modbus")
