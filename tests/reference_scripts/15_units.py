"""Say in which unit a controller sends temperatures; read and change its setting."""

import sys

from watlowlib import Unit, WatlowConfirmationRequiredError
from watlowlib.sync import SyncWatlowManager, Watlow

print(list(Unit), Unit("C") is Unit.CELSIUS, str(Unit.FAHRENHEIT), f"{Unit.PERCENT}")
for unit in (Unit.FAHRENHEIT, "C", None):
    with Watlow.open(sys.argv[1], address=1, assert_wire_temperature_unit=unit) as ctl:
        reading = ctl.read_pv()
        print(unit, reading.value, reading.unit, ctl.poll(["setpoint", "control_mode"])[0].unit)
        print([sample.unit for sample in ctl.poll(["heat_power", "control_mode"])])
with SyncWatlowManager() as mgr:
    mgr.add("oven", sys.argv[1], address=2, assert_wire_temperature_unit=Unit.FAHRENHEIT)
    print([sample.unit for sample in mgr.poll(["setpoint"])])
    ctl = mgr.get("oven")
    print(ctl.read_comms_unit_label())
    try:
        ctl.set_comms_unit_label(Unit.CELSIUS)
    except WatlowConfirmationRequiredError:
        print("not written")
    print(ctl.set_comms_unit_label("C", confirm=True), ctl.read_comms_unit_label())
    print(ctl.read_setpoint().unit)
