"""Read parameters by the names and aliases of the library."""

import sys

from watlowlib import PARAMETERS, WatlowError
from watlowlib.sync import Watlow

NAMES = (
    "process_value pv process_val setpoint sp set_point control_mode heat_power "
    "closed_loop_set_point analog_input_value ac_line_frequency ambient_temperature "
    "autotune_status baud_rate_modbus hardware_id hw firmware_id fw "
    "part_number model calibration_offset cool_power"
).split()

for name in NAMES:
    print(name, PARAMETERS.resolve(name).parameter_id, PARAMETERS.resolve(name).name)
print(PARAMETERS.has("setpoint"), PARAMETERS.has("no_such_name"))
spec = PARAMETERS.resolve(7001)
print(spec.name, sorted(spec.aliases), spec.data_type, spec.unit_kind, spec.rwes)
print(spec.safety, spec.default_instance, spec.max_instance, spec.range_min, spec.range_max)
print(spec.relative_addr, spec.absolute_addr, spec.register_count)
with Watlow.open(sys.argv[1], address=1) as ctl:
    for name in NAMES:
        try:
            entry = ctl.read_parameter(name)
            print(name, entry.spec.name, type(entry.value).__name__, entry.value)
        except WatlowError:
            print(name, "error")
