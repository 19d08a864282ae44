"""Give the serial settings, all of them and only some."""

import sys
from dataclasses import replace

from watlowlib import ProtocolKind, SerialSettings, WatlowError
from watlowlib.sync import SyncWatlowManager, Watlow
from watlowlib.transport import ByteSize, Parity, StopBits

port = sys.argv[1]
settings = SerialSettings(port)
print(settings.port == port, settings.baudrate, settings.rtscts, settings.xonxoff)
print(settings.bytesize, settings.parity, settings.stopbits, settings.exclusive)
for protocol in (ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU):
    default = SerialSettings.factory_for(protocol, port=port)
    print(protocol, default.baudrate, default.parity, default.stopbits)
full = SerialSettings(
    port=port,
    baudrate=38400,
    bytesize=ByteSize.EIGHT,
    parity=Parity.NONE,
    stopbits=StopBits.ONE,
    rtscts=False,
    xonxoff=False,
    exclusive=True,
)
print(full == settings, replace(full, baudrate=19200).baudrate)
with Watlow.open(port, address=1, serial_settings=full) as ctl:
    print(ctl.read_setpoint().value, ctl.identify().serial_settings.baudrate)
with SyncWatlowManager() as mgr:
    ctl = mgr.add("oven", port, address=2, serial_settings=replace(full, exclusive=False))
    print(ctl.read_setpoint().value)
try:
    SerialSettings(port, baudrate=-1)
except (WatlowError, ValueError):
    print("refused")
