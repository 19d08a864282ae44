"""Share one portal, and run coroutine functions in it."""

import sys

from watlowlib.sync import (
    SyncInMemorySink,
    SyncPortal,
    SyncWatlowManager,
    Watlow,
    pipe,
    record,
    run_sync,
)


async def double(number, plus=0):
    return 2 * number + plus


async def fail():
    raise KeyError("wrong")


async def numbers():
    for number in range(3):
        yield number


with SyncPortal() as portal:
    print(portal.running)
    with Watlow.open(sys.argv[1], address=1, portal=portal) as ctl:
        print(ctl.portal is portal, ctl.read_setpoint().value)
        with SyncWatlowManager(portal=portal) as mgr, SyncInMemorySink(portal=portal) as sink:
            mgr.add("oven", ctl)
            print(mgr.portal is portal, sink.portal is portal)
            with record(
                mgr, parameters=["setpoint"], rate_hz=2.0, duration=1.0, portal=portal
            ) as recording:
                pipe(recording.stream, sink, portal=portal)
            print([sample.value for sample in sink.samples])
    print(portal.call(double, 4, plus=1))
    try:
        portal.call(fail)
    except KeyError as error:
        print("raised", error)
    print(list(portal.wrap_async_iter(numbers())))
print(portal.running, run_sync(double, 5))
