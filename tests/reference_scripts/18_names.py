"""Read parameters by the names and aliases of the library; look into its registry."""

import sys

from watlowlib import PARAMETERS, WatlowError
from watlowlib.sync import Watlow

NAMES = (
    "process_value pv process_val setpoint sp set_point control_mode heat_power "
    "closed_loop_set_point analog_input_value ac_line_frequency ambient_temperature "
    "autotune_status baud_rate_modbus hardware_id hw firmware_id fw part_number model "
    "calibration_offset cool_power"
).split()

with Watlow.open(sys.argv[1], address=2) as ctl:
    for name in NAMES:
        try:
            entry = ctl.read_parameter(name)
            print(name, type(entry.value).__name__, entry.value)
        except WatlowError:
            print(name, "error")
    for sample in ctl.poll(NAMES):
        print(sample.parameter, sample.parameter_id)
print(PARAMETERS.has("setpoint"), PARAMETERS.has("no_such_name"))
spec = PARAMETERS.resolve(7001)
print(spec.name, "sp" in spec.aliases, spec.default_instance, spec.max_instance)
print(spec.unit_kind, spec.rwes, spec.range_min, spec.range_max)
print(spec.cls, spec.member, spec.relative_addr, spec.absolute_addr, spec.register_count)
print(spec.data_type, spec.safety)
