"""The state file restores everything and is replaced atomically."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import msgspec
import pytest

from deploy.sandbox import Clock, Sandbox, run


def _some_sandbox(clock: Clock) -> Sandbox:
    sandbox = Sandbox(clock=clock, echo=False)
    shop = sandbox.add_shop()
    shop.populate(20)
    customer = shop.create(first_name="Ánh", tags="VIP", province="Hà Nội", total_spent="41.94", gender=0)
    shop.order(customer, 100_000)
    shop.app("http://127.0.0.1:9/hook", "verify-1", ["customers/update"])
    shop.add_group("test")
    sandbox.add_shop(org="1000000002", token="token-2", timezone="America/New_York", currency="USD")
    sandbox.advance(60)
    return sandbox


def test_a_saved_sandbox_is_restored_completely(tmp_path: Path, clock: Clock) -> None:
    before = _some_sandbox(clock)
    before.save(tmp_path / "state.json")

    after = Sandbox(clock=Clock(lambda: clock() - clock.ahead_s))
    after.load(tmp_path / "state.json")

    assert after.clock() == before.clock()
    for org, old in before.handles.items():
        new = after.handles[org]
        assert new.ids() == old.ids()
        assert [new.body(number) for number in new.ids()] == [old.body(number) for number in old.ids()]
        assert (new.shop.app, new.shop.groups, new.shop.counters) == (
            old.shop.app,
            old.shop.groups,
            old.shop.counters,
        )
        assert (new.token, new.secret, new.shop.zone, new.shop.echo) == (
            old.token,
            old.secret,
            old.shop.zone,
            False,
        )


def test_ids_continue_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    before = _some_sandbox(clock)
    before.save(tmp_path / "state.json")
    after = Sandbox(clock=clock)
    after.load(tmp_path / "state.json")

    assert after.handles["1000000001"].create() == before.handles["1000000001"].create()


def test_saving_leaves_one_file(tmp_path: Path, clock: Clock) -> None:
    sandbox = _some_sandbox(clock)

    sandbox.save(tmp_path / "state.json")
    sandbox.save(tmp_path / "state.json")

    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_of_another_format_is_an_error(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "state.json").write_text("{}")

    with pytest.raises(msgspec.ValidationError):
        Sandbox(clock=clock).load(tmp_path / "state.json")


def test_a_missing_file_is_an_empty_sandbox(tmp_path: Path, clock: Clock) -> None:
    sandbox = Sandbox(clock=clock)

    sandbox.load(tmp_path / "state.json")

    assert sandbox.handles == {}


async def _once(state_file: Path) -> int:
    """Run the whole program until it answers, count its customers, add one, end it."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    program = asyncio.create_task(
        run(port=0, customers=5, state_file=state_file, on_start=lambda url, _: address.set_result(url))
    )
    base = f"{await address}/com/customers"
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer token-1"}) as session:
        async with session.get(f"{base}/count.json") as answer:
            count: int = (await answer.json())["count"]
        async with session.post(f"{base}.json", json={"customer": {"first_name": "Ánh"}}) as answer:
            assert answer.status == 201
    program.cancel()
    await asyncio.gather(program, return_exceptions=True)
    return count


async def test_a_restarted_program_continues_with_the_saved_shop(tmp_path: Path) -> None:
    counts = [await _once(tmp_path / "state.json") for _ in range(2)]

    assert counts == [5, 6]
