"""Everything that clients may do with a service, in any order, against a small model of a space of 256 addresses."""

import asyncio
import shutil
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from ipamd.errors import Conflict, IpamError, KeyReused, Overtaken, UnknownLease
from ipamd.expiry import Expiry, Upkeep
from ipamd.fsck import check
from ipamd.fsck.running import found_running
from ipamd.leases import EXPIRED
from ipamd.log import Log
from ipamd.model import Lease, LeaseFilter, Owner, Pool, Reservation, Wish
from ipamd.reconciling import accept_age
from ipamd.service import UNDONE, Given, Service
from ipamd.stores import Kept
from ipamd.stores.sqlite import SqliteStore
from ipamd.stores.sqlite_copy import restore
from tests.ipamd.clock import Clock
from tests.ipamd.model_of_service import WIDTH, Asked, Held, Model, allowed_in, offset
from tests.ipamd.using import release_all

DNS_TTL = 10
OWNERS = [Owner("Container", f"{namespace}{number}", namespace) for namespace in ("x", "y") for number in range(3)]
CIDRS = {"low": ("10.0.0.0/29", "10.0.0.8/29", "10.0.0.32/28"), "high": ("10.0.0.128/28", "10.0.0.248/29")}
NESTED = ("in0", "in1")  # pools that are made of blocks of others
POOLS = (Pool("low", CIDRS["low"][:1]), Pool("high", CIDRS["high"][:1], purpose="lb", strategy="round-robin"))


def cidr_base(cidr: str) -> int:
    return offset(cidr.partition("/")[0])


def address(number: int) -> str:
    return f"10.0.0.{number}"


def made(kept: Kept) -> Given | None:
    """What a request made that was answered so."""
    lease, _, generation = kept.body.decode().partition(" ")
    return Given(int(lease), int(generation)) if kept.status == 201 else None


asks = st.builds(
    Asked,
    st.sampled_from(OWNERS),
    st.sampled_from([*NESTED, *NESTED, *CIDRS]),
    st.sampled_from([None] * 12 + [0, 1, 2, 3, 4, 5, 6, 8, 40]),  # from the first address of the pool on
    st.sampled_from([None] * 6 + [32, 31, 30, 30]),
    st.sampled_from([None, 5, 20]),
    st.sampled_from([False, False, False, True]),
)
reservations = st.builds(
    Reservation,
    st.sampled_from(["10.0.0.3", "10.0.0.4/30", "10.0.0.130", "10.0.0.132/30"]),
    st.just("Container"),
    st.just("x"),
    st.sampled_from(["x0", "x1"]),
)
names = st.sampled_from([*CIDRS])
owners = st.sampled_from(OWNERS)
leasing = st.one_of(
    *[st.tuples(st.just("lease"), asks)] * 5,
    st.tuples(st.just("try_lease"), asks),
    st.tuples(st.just("lease_once"), asks, st.sampled_from("kl"), st.sampled_from([b"1", b"2"])),
    st.tuples(st.just("batch"), st.lists(asks, min_size=1, max_size=5), st.booleans(), st.booleans()),
)
ending = st.one_of(
    st.tuples(st.just("release"), st.integers(0, 20), st.sampled_from([None, None, None, 0, 1])),
    st.tuples(st.just("release_owner"), owners),
    st.tuples(st.just("renew"), st.integers(0, 20), st.sampled_from([None, 5, 60])),
    st.tuples(st.just("wait"), st.integers(1, 15), st.booleans(), st.booleans()),
    st.tuples(st.just("undo"), st.sampled_from("kl")),
)
nesting = st.one_of(
    *[st.tuples(st.just("nest"), st.sampled_from(NESTED), st.integers(0, 5), st.sampled_from([0, 0, 30]))] * 6,
    st.tuples(st.just("drain"), st.sampled_from(NESTED), st.booleans()),
    st.tuples(st.just("delete"), st.sampled_from([*NESTED, *CIDRS])),
)
changing = st.one_of(
    st.tuples(
        st.just("resize"),
        names,
        st.sets(st.integers(1, 2)),
        st.sampled_from([(), (), ("10.0.0.2",), ("10.0.0.133",)]),
        st.sampled_from([0, 0, 30]),
        st.sampled_from([None, 30]),
    ),
    st.tuples(st.just("move"), names),
    st.tuples(
        st.just("limit"),
        st.lists(reservations, max_size=2, unique_by=lambda each: each.addresses),
        st.sampled_from([(), (), (), ("low",), ("low", "high")]),
        st.sampled_from([0, 0, 1, 3]),
    ),
    st.tuples(st.just("restart"), st.booleans()),
    st.tuples(st.sampled_from(["back_up", "put_back", "accept", "accept"])),
)
steps = st.one_of(leasing, leasing, ending, nesting, changing)


class Serving(RuleBasedStateMachine):
    """A service, its clock and its model."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directories = [TemporaryDirectory()]
        self.clock, self.model = Clock(), Model(DNS_TTL)
        self.model.now = self.clock.now
        self.kept: dict[str, tuple[bytes, Kept]] = {}
        self.backup: tuple[Path, Model, dict[str, tuple[bytes, Kept]]] | None = None
        self.run(self.open())
        for pool in POOLS:
            self.put(pool)

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(doing)

    def refused(self, doing: Coroutine[Any, Any, Any]) -> type[IpamError] | None:
        """Have it done, and tell what it was refused with."""
        try:
            self.run(doing)
        except IpamError as refusal:
            return type(refusal)
        return None

    async def open(self) -> None:
        self.path = Path(self.directories[-1].name) / "ipamd.sqlite"
        self.store = SqliteStore(self.path, self.clock)
        self.service = Service(self.store, Log(self.store, 1000), Random(7), DNS_TTL)
        self.expiry = Expiry(self.store, partial(self.service.release_in, reason=EXPIRED), self.clock)
        self.upkeep = Upkeep(self.store, self.service.leases.thaw, 1e6)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        for directory in self.directories:
            directory.cleanup()

    # What is asked for, and what has to come of it

    def placed(self, asked: Asked) -> Asked:
        """The same with the place counted from the beginning of the space and not of the pool.

        Where there is no such pool yet it asks mostly for a block that it could be made of.
        """
        pool = self.model.pools.get(asked.pool)
        if pool is None and asked.length is None:
            return Asked(asked.owner, "low", length=30)
        if asked.first is None:
            return asked
        base = "10.0.0.0" if pool is None else CIDRS.get(pool.name, pool.cidrs)[0]
        return asked._replace(first=(asked.first + cidr_base(base)) % 256)

    def wish(self, asked: Asked) -> Wish:
        first = None if asked.first is None else address(asked.first)
        return Wish(pool=asked.pool, address=first, prefix_length=asked.length, ttl=asked.ttl, is_held=asked.is_held)

    def agreed(self, asked: Asked, doing: Coroutine[Any, Any, Any]) -> Any:
        """Have it done, and see that the model would have done so too; what came of it, None if it was refused."""
        expected = self.model.expected(asked)
        if expected.refusal is None:
            return self.run(doing)
        with pytest.raises(IpamError) as refused:
            self.run(doing)
        assert refused.type is expected.refusal
        return None

    def given(self, asked: Asked, lease: Lease, is_new: bool) -> None:
        """Note what was given."""
        expected = self.model.expected(asked)
        assert offset(lease.address) in expected.firsts, f"{lease}, not {expected}"
        assert is_new == (expected.held is None)
        if expected.held is None:
            expires = None if asked.ttl is None else self.clock.now + asked.ttl
            length = asked.length or WIDTH
            self.model.give(lease.id, Held(asked.owner, asked.pool, offset(lease.address), length, asked.ttl, expires))
            return
        held = self.model.held[expected.held]
        if held.expires is not None and held.expires <= self.clock.now:
            self.renewed(expected.held, asked.ttl)

    def renewed(self, number: int, ttl: int | None) -> None:
        held = self.model.held[number]
        seconds = held.ttl if ttl is None else ttl
        if seconds is not None:
            then = self.clock.now + seconds
            self.model.held[number] = held._replace(ttl=seconds, expires=then, generation=held.generation + 1)

    def lease(self, asked: Asked) -> None:
        asked = self.placed(asked)
        outcome = self.agreed(asked, self.service.lease(asked.owner, self.wish(asked)))
        if outcome is not None:
            self.given(asked, *outcome)

    def try_lease(self, asked: Asked) -> None:
        asked = self.placed(asked)
        before = self.store.revision
        lease = self.agreed(asked, self.service.try_lease(asked.owner, self.wish(asked)))
        assert lease is None or offset(lease.address) in self.model.expected(asked).firsts
        assert self.store.revision == before

    def lease_once(self, asked: Asked, key: str, digest: bytes) -> None:
        asked = self.placed(asked)
        given: list[tuple[Lease, bool]] = []

        def show(lease: Lease, is_new: bool) -> Kept:
            given.append((lease, is_new))
            return Kept(digest, 201 if is_new else 200, f"{lease.id} {lease.generation}".encode())

        asking = self.service.lease_once(asked.owner, self.wish(asked), key, digest, show)
        if key in self.kept:
            before, kept = self.kept[key]
            try:
                assert self.run(asking) == kept
                assert digest == before
            except KeyReused:
                assert digest != before
            except Overtaken:
                assert kept.status == UNDONE
            return
        kept = self.agreed(asked, asking)
        if kept is not None:
            self.kept[key] = digest, kept
            self.given(asked, *given[-1])

    def undo(self, key: str) -> None:
        """Take back what a request of that key made, or would have made."""
        kept = self.kept[key][1] if key in self.kept else Kept(b"", UNDONE, b"")
        given = made(kept) if kept.status != UNDONE else None
        held = None if given is None else self.model.held.get(given.lease)
        try:
            self.run(self.service.undo(key, made))
        except Conflict:
            assert given is not None
            assert held is not None
            assert given.generation != held.generation
            return
        self.kept[key] = b"", Kept(b"", UNDONE, b"")
        if given is not None and held is not None:
            assert given.generation == held.generation
            self.model.release(given.lease)

    def batch(self, wanted: list[Asked], atomic: bool, is_trial: bool) -> None:
        wanted = [self.placed(asked) for asked in wanted]
        pairs = [(asked.owner, self.wish(asked)) for asked in wanted]
        try:
            outcomes = self.run(self.service.lease_batch(pairs, atomic=atomic, is_trial=is_trial))
        except IpamError:
            assert atomic
            return
        if is_trial:
            return
        refused = []
        for asked, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, IpamError):
                refused.append(asked)
            else:
                self.given_in_batch(asked, *outcome)
        assert not (atomic and refused)
        assert all(self.model.expected(asked).refusal for asked in refused)

    def given_in_batch(self, asked: Asked, lease: Lease, is_new: bool) -> None:
        """Note what was given, in whichever order the batch was done."""
        if not is_new:
            self.given(asked, lease, is_new)
            return
        assert offset(lease.address) in allowed_in(self.model.pools[asked.pool], lease.prefix_length)
        expires = None if asked.ttl is None else self.clock.now + asked.ttl
        held = Held(asked.owner, asked.pool, offset(lease.address), lease.prefix_length, asked.ttl, expires)
        self.model.give(lease.id, held)

    def release(self, index: int, wrong: int | None) -> None:
        """Release a lease, or one that is gone; `wrong` is how far the generation that is said is off."""
        numbers = [*self.model.held, 10_000]
        number = numbers[index % len(numbers)]
        held = self.model.held.get(number)
        generation = None if wrong is None or held is None else held.generation + wrong
        try:
            self.run(self.service.release(number, generation))
        except UnknownLease:
            assert held is None
        except Conflict:
            assert wrong == 1
        else:
            assert not wrong
            self.model.release(number)

    def release_owner(self, owner: Owner) -> None:
        mine = {number for number, each in self.model.held.items() if each.owner == owner}
        assert {lease.id for lease in self.run(release_all(self.service, owner))} == mine
        for number in mine:
            self.model.release(number)

    def renew(self, index: int, ttl: int | None) -> None:
        if self.model.held:
            number = [*self.model.held][index % len(self.model.held)]
            self.run(self.service.renew(number, ttl))
            self.renewed(number, ttl)

    # What happens to pools

    def put(self, pool: Pool) -> None:
        """Change a pool, as far as the leases in it let that be."""
        refusal = self.model.change(pool)
        assert self.refused(self.service.ensure_pools([pool])) is refusal

    def nest(self, name: str, index: int, cooldown: int) -> None:
        """Make a pool of a block; the block as well, if there is none."""
        if name in self.model.pools:
            return
        if not any(each.length < WIDTH for each in self.model.held.values()):
            self.lease(Asked(OWNERS[index], "low", length=30))
        blocks = [each for each in self.model.held.values() if each.length < WIDTH]
        if not blocks:
            return
        block = blocks[index % len(blocks)]
        cidr = f"{address(block.first)}/{block.length}"
        self.put(Pool(name, (cidr,), purpose="lb", cooldown=cooldown, parent=block.pool))

    def drain(self, name: str, drained: bool) -> None:
        if name in self.model.pools:
            self.put(replace(self.model.pools[name], drained=drained))

    def delete(self, name: str) -> None:
        """Take a pool away; one that is not made of another's block is made again at once, for the others need it."""
        before = self.model.pools.get(name)
        refusal = self.model.delete(name)
        assert self.refused(self.service.delete_pool(name)) is refusal
        if refusal is None and before is not None and name in CIDRS:
            self.put(before)

    def resize(
        self, name: str, cidrs: set[int], exclude: tuple[str, ...], cooldown: int, block_size: int | None
    ) -> None:
        chosen = tuple(cidr for index, cidr in enumerate(CIDRS[name]) if index in {0, *cidrs})
        here = tuple(each for each in exclude if (offset(each) < 128) == (name == "low"))
        changed = replace(self.model.pools[name], cidrs=chosen, exclude=here, cooldown=cooldown, block_size=block_size)
        self.put(changed)

    def move(self, name: str) -> None:
        self.put(replace(self.model.pools[name], cidrs=CIDRS[name][1:], exclude=(), reservations=()))

    def limit(self, kept: list[Reservation], drained: tuple[str, ...], quota: int) -> None:
        quotas = {"x": quota, "*": 3} if quota else {}
        for name, low in (("low", True), ("high", False)):
            here = tuple(each for each in kept if (offset(each.addresses) < 128) == low)
            pool = replace(self.model.pools[name], drained=name in drained, quotas=quotas)
            is_at_home = CIDRS[name][0] in pool.cidrs
            self.put(replace(pool, reservations=here if is_at_home else ()))

    # What happens by itself

    def wait(self, seconds: int, expire: bool, look_after: bool) -> None:
        self.clock.now += seconds
        self.model.now = self.clock.now
        if expire:
            self.run(self.expiry.expire())
            ends = {number: each.expires for number, each in self.model.held.items()}
            due = [(end, number) for number, end in ends.items() if end is not None and end <= self.clock.now]
            for _, number in sorted(due):
                self.model.release(number)
        if look_after:
            self.run(self.upkeep.look())
            self.model.cools = {key: each for key, each in self.model.cools.items() if each[1] > self.clock.now}

    def restart(self, is_killed: bool) -> None:
        if is_killed:  # what stands on disk while it runs is what a killed one leaves
            self.directories.append(TemporaryDirectory())
            shutil.copytree(self.directories[-2].name, self.directories[-1].name, dirs_exist_ok=True)
        self.run(self.store.close())
        self.run(self.open())

    def back_up(self) -> None:
        """Keep a copy of the store, in place of the one before."""
        self.directories.insert(0, TemporaryDirectory())
        path = Path(self.directories[0].name) / "backup.sqlite"
        with self.run(self.store.copy()) as copy:
            path.write_bytes(copy.read())
        self.backup = path, self.model.copy(), {**self.kept}

    def put_back(self) -> None:
        """Have the copy as the store."""
        if self.backup is None:
            return
        path, model, kept = self.backup
        self.run(self.store.close())
        restore(path, self.path)
        self.model, self.kept = model.copy(), {**kept}
        self.model.now, self.model.is_old = self.clock.now, True
        self.run(self.open())

    def accept(self) -> None:
        """Have an old copy go on as the store."""
        if self.model.is_old:
            self.run(self.store.update(accept_age))
            self.model.is_old = False

    @rule(step=steps)
    def go_on(self, step: tuple[Any, ...]) -> None:
        """One rule for all steps: with one for each, most runs would do without some of them."""
        name, *arguments = step
        getattr(self, name)(*arguments)

    # What always holds

    @invariant()
    def its_age_is_known(self) -> None:
        assert bool(self.store.old_because) == self.model.is_old

    @invariant()
    def every_lease_stands(self) -> None:
        leases = self.service.list_leases(LeaseFilter(), 0, 1000)
        found = {
            lease.id: Held(
                lease.owner,
                lease.pool,
                offset(lease.address),
                lease.prefix_length,
                lease.ttl,
                lease.expires,
                lease.generation,
            )
            for lease in leases
        }
        assert found == self.model.held

    @invariant()
    def counts_are_a_recount(self) -> None:
        for usage in self.service.list_pools():
            name = usage.pool.name
            assert usage.pool == self.model.pools[name]
            assert usage.used == len(self.model.taken(name))
            fewest, most = (len(self.model.cooling(name, past=past)) for past in (False, True))
            assert fewest <= usage.cooling <= most
            smallest, largest = (self.model.capacity(name, past=past) for past in (False, True))
            assert smallest <= usage.capacity <= largest
            assert usage.free >= 0 <= usage.reserved

    @invariant()
    def store_and_memory_agree(self) -> None:
        running = self.run(found_running(self.service))
        assert [*map(str, (*self.store.view(lambda view: [*check(view)]), *running))] == []


def test_a_service_does_what_its_model_does() -> None:
    bounds = settings(max_examples=40, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(Serving, settings=bounds)
