"""Run a coroutine function with each controller; look at the results."""

import sys

from watlowlib import ErrorPolicy, WatlowError, WatlowNoSuchInstanceError
from watlowlib.sync import SyncWatlowManager
from watlowlib.sync.manager import DeviceResult


async def set_point(ctl):
    return (await ctl.read_setpoint()).value


async def second_loop(ctl):
    return (await ctl.read_pv(instance=2)).value


with SyncWatlowManager(error_policy=ErrorPolicy.RETURN) as mgr:
    mgr.add("top", sys.argv[1], address=1)
    mgr.add("bottom", sys.argv[1], address=2)
    for name, result in mgr.execute_each(set_point).items():
        print(name, result.ok, result.value, result.error)
    print(list(mgr.execute_each(set_point, ["bottom"])))
    for name, result in mgr.execute_each(second_loop).items():
        print(name, result.ok, result.value, isinstance(result.error, WatlowNoSuchInstanceError))
with SyncWatlowManager() as mgr:
    mgr.add("top", sys.argv[1], address=1)
    try:
        mgr.execute_each(second_loop)
    except WatlowNoSuchInstanceError:
        print("raised")
print(DeviceResult.success(3), DeviceResult.failure(WatlowError("no")).ok)
