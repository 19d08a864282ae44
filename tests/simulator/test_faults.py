from __future__ import annotations

import pytest

from tests.captures import CAPTURES
from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol.modbus.frames import SLAVES, RtuDecoder, RtuFrame, reply_sizes
from watlowlib.protocol.stdbus.frames import FrameDecoder
from watlowlib.simulator import Fault, FaultPlan

REQUEST, REPLY = CAPTURES[0].request, CAPTURES[0].response


def received(fault: Fault | None, plan: FaultPlan | None = None) -> bytes:
    return b"".join(data for _, data in (plan or FaultPlan()).portions(fault, REQUEST, REPLY))


def test_without_a_fault_the_reply_is_unchanged() -> None:
    assert FaultPlan().portions(None, REQUEST, REPLY) == [(0.0, REPLY)]


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.SILENT, Fault.CLOSE])
def test_faults_without_a_reply(fault: Fault) -> None:
    assert received(fault) == b""


def test_a_delayed_reply_is_complete() -> None:
    plan = FaultPlan(delay_s=0.2, late_s=0.9)
    assert plan.portions(Fault.DELAY, REQUEST, REPLY) == [(0.2, REPLY)]
    assert plan.portions(Fault.LATE, REQUEST, REPLY) == [(0.9, REPLY)]


def test_echo_and_duplicate_faults() -> None:
    assert received(Fault.ECHO) == REQUEST + REPLY
    assert received(Fault.DUPLICATE) == REPLY + REPLY


def test_corrupt_inverts_one_bit() -> None:
    for seed in range(50):
        corrupted = received(Fault.CORRUPT, FaultPlan(seed=seed))
        differing = [bin(a ^ b).count("1") for a, b in zip(corrupted, REPLY, strict=True)]
        assert sum(differing) == 1


def test_truncate_keeps_the_start_of_the_reply() -> None:
    lengths = {len(received(Fault.TRUNCATE, FaultPlan(seed=seed))) for seed in range(300)}
    assert lengths == set(range(1, len(REPLY)))
    assert REPLY.startswith(received(Fault.TRUNCATE))


def test_noise_precedes_the_reply() -> None:
    noisy = received(Fault.NOISE)
    assert noisy.endswith(REPLY)
    assert len(noisy) > len(REPLY)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.what[:10])
def test_a_foreign_reply_is_a_valid_frame(capture: object) -> None:
    reply = capture.response  # type: ignore[attr-defined]
    ((_, foreign),) = FaultPlan().portions(Fault.FOREIGN, b"", reply)
    (frame,), (right,) = FrameDecoder().feed(foreign), FrameDecoder().feed(reply)
    assert frame != right


@pytest.mark.parametrize(
    "payload", ["03 04 0000 4296", "10 0870 0002", "06 0870 0001", "83 02", "04 02 FFFF"]
)
@pytest.mark.parametrize("slave", [1, 247])
def test_a_foreign_modbus_reply_can_be_recognized(payload: str, slave: int) -> None:
    right = RtuFrame(slave, bytes.fromhex(payload))
    same_slave = other_slave = 0
    for seed in range(50):
        ((_, foreign),) = FaultPlan(seed=seed).portions(Fault.FOREIGN, b"", right.raw)
        (frame,) = RtuDecoder(reply_sizes).feed(foreign)
        assert frame.raw == foreign
        if frame.source == slave:
            # Another byte count, or another register in a write reply.
            same_slave += 1
            assert frame.payload[:3] != right.payload[:3]
        else:
            other_slave += 1
            assert frame.source in SLAVES
    assert other_slave > 10
    assert same_slave > 10 or payload == "83 02"


def test_a_foreign_modbus_reply_has_other_values() -> None:
    right = RtuFrame(1, bytes.fromhex("03 04 0000 4296"))
    for seed in range(20):
        ((_, foreign),) = FaultPlan(seed=seed).portions(Fault.FOREIGN, b"", right.raw)
        assert right.payload[2:] not in foreign


def test_random_faults_follow_the_rates_and_the_seed() -> None:
    rates = {Fault.DROP: 0.1, Fault.ECHO: 0.2}
    drawn = [[plan.draw() for _ in range(5000)] for plan in (FaultPlan(rates, seed=1),) * 1]
    again = [FaultPlan(rates, seed=1)]
    assert drawn[0] == [again[0].draw() for _ in range(5000)]
    assert drawn[0].count(Fault.DROP) / 5000 == pytest.approx(0.1, abs=0.02)
    assert drawn[0].count(Fault.ECHO) / 5000 == pytest.approx(0.2, abs=0.02)
    assert again[0].happened[Fault.DROP] == drawn[0].count(Fault.DROP)


def test_repr_shows_rates_and_fault_count() -> None:
    plan = FaultPlan({Fault.DROP: 1.0})
    plan.draw()
    assert repr(plan) == "<FaultPlan rates: drop 1; faults so far: 1>"
    assert repr(FaultPlan()) == "<FaultPlan rates: none; faults so far: 0>"


def test_scripted_faults_precede_random_faults() -> None:
    plan = FaultPlan({Fault.DROP: 1.0})
    plan.next_are(Fault.ECHO, None)
    assert [plan.draw() for _ in range(3)] == [Fault.ECHO, None, Fault.DROP]


@pytest.mark.parametrize("rates", [{Fault.DROP: -0.1}, {Fault.DROP: 0.6, Fault.ECHO: 0.5}])
def test_invalid_rates_are_rejected(rates: dict[Fault, float]) -> None:
    with pytest.raises(WatlowConfigurationError, match="together at most 1"):
        FaultPlan(rates)


def test_faults_can_be_given_by_name() -> None:
    plan = FaultPlan({"drop": 1.0})  # type: ignore[dict-item]
    assert plan.draw() is Fault.DROP
    with pytest.raises(WatlowConfigurationError, match="fault='drp': allowed are drop, delay"):
        FaultPlan({"drp": 0.5})  # type: ignore[dict-item]
    with pytest.raises(WatlowConfigurationError, match="fault='drp'"):
        plan.next_are("drp")  # type: ignore[arg-type]
