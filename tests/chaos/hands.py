"""Faults as they happen to a deployment: one hand on the network, one on processes and the database."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from chaos.deployment import BRIDGE, READERS, WRITERS, Deployment
from chaos.schedule import Fault, Kind, Menu
from faults import disk
from faults.postgres import Cluster

_ON_THE_WAY = (
    Kind.DELAY,
    Kind.THROTTLE,
    Kind.CUT,
    Kind.BLACK_HOLE,
    Kind.HALF_CLOSE,
    Kind.RESET,
    Kind.RESET_IN_FRAME,
)
_MOST_DELAY_SECONDS = 0.3
_LEAST_BYTES_PER_SECOND, _MOST_BYTES_PER_SECOND = 20_000, 500_000
_FRAME_BYTES = 20_000
_CLUSTER = "PostgreSQL"
_NOTIFICATIONS = "notifications"


@dataclass
class Hands:
    """What makes the faults."""

    site: Deployment
    counts: Counter[Kind] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    """Every fault, and when it came."""
    _started: float = field(default_factory=time.monotonic)
    _database: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One fault at a time happens to it."""

    def menus(self, longest_seconds: float, away_seconds: float) -> list[Menu]:
        """Return what there is to do: to networks, to processes, and to a database as a whole."""
        ways = [(kind, way) for way in self.site.proxies for kind in _ON_THE_WAY]
        own = [(kind, name) for name in self.site.processes for kind in (Kind.KILL, Kind.STOP)]
        own += [(Kind.KILL, server.name) for server in self.site.servers]
        own += self._of_database()
        if self.site.cluster is not None:
            ways += [(Kind.MOVE, way) for way in (WRITERS, READERS, BRIDGE)]
        menus = [Menu("network", ways, 0.6, longest_seconds), Menu("processes", own, 0.8, longest_seconds)]
        if self.site.cluster is not None:
            # Seldom, since nothing gets done meanwhile.
            menus.append(Menu("database", [(Kind.AWAY, _CLUSTER)], 6 * away_seconds, away_seconds))
        return menus

    def _of_database(self) -> Iterator[tuple[Kind, str]]:
        where = self.site.servers[0].name if self.site.cluster is None else _CLUSTER
        if self.site.disk is not None or self.site.cluster is None:
            yield Kind.FULL_DISK, where
        if self.site.disk is not None:
            yield Kind.FAILING_SYNC, where
        if self.site.cluster is not None:
            yield from ((kind, _CLUSTER) for kind in (Kind.TERMINATE, Kind.KILL_BACKEND, Kind.IMMEDIATE))
            yield Kind.TERMINATE, _NOTIFICATIONS

    async def work(self, menu: Menu, seed: int, until: float) -> None:
        """Do what the seed says until it is time (on the monotonic clock)."""
        for fault in menu.faults(seed):
            if time.monotonic() + fault.pause_seconds >= until:
                return
            await asyncio.sleep(fault.pause_seconds)
            self.told.append(f"{time.monotonic() - self._started:7.2f} s  {fault}")
            self.counts[fault.kind] += 1
            await (self._on_the_way(fault) if fault.place in self.site.proxies else self._to_processes(fault))

    async def _on_the_way(self, fault: Fault) -> None:
        proxy = self.site.proxies[fault.place]
        weather, amount = proxy.weather, fault.amount
        match fault.kind:
            case Kind.CUT:
                proxy.cut()
                return
            case Kind.HALF_CLOSE:
                proxy.half_close()
                return
            case Kind.RESET:
                proxy.reset()
                return
            case Kind.MOVE:
                self.site.lead_away_from(proxy.target)
                proxy.cut()
                return
            case Kind.RESET_IN_FRAME:
                weather.reset_after_bytes = 1 + int(amount * _FRAME_BYTES)
            case Kind.DELAY:
                weather.delay_seconds = amount * _MOST_DELAY_SECONDS
            case Kind.THROTTLE:
                weather.bytes_per_second = _LEAST_BYTES_PER_SECOND + amount * _MOST_BYTES_PER_SECOND
            case Kind.BLACK_HOLE:
                # One way, the other way or both.
                proxy.black_hole(up=amount < 2 / 3, down=amount > 1 / 3)
        await asyncio.sleep(fault.seconds)
        proxy.heal()

    async def _to_processes(self, fault: Fault) -> None:
        for process in self.site.processes.values():
            await process.look_after()
        match fault.kind:
            case Kind.KILL:
                process = self.site.processes[fault.place]
                self.site.lead_away_from(process.address)
                await process.replace()
            case Kind.STOP:
                process = self.site.processes[fault.place]
                process.stop()
                await asyncio.sleep(fault.seconds)
                process.go_on()
            case _:
                async with self._database:
                    await self._to_database(fault)

    async def _to_database(self, fault: Fault) -> None:
        if fault.kind in (Kind.FULL_DISK, Kind.FAILING_SYNC):
            with self._broken_disk(fault):
                await asyncio.sleep(fault.seconds)
        if self.site.cluster is not None:
            await self._to_cluster(fault, self.site.cluster)

    def _broken_disk(self, fault: Fault) -> AbstractContextManager[None]:
        if fault.kind is Kind.FULL_DISK and self.site.cluster is None:
            wal = self.site.sqlite.with_name(self.site.sqlite.name + "-wal")
            grown = wal.stat().st_size if wal.exists() else 0
            return disk.full(self.site.servers[0].process.pid, int(fault.amount * grown))
        assert self.site.disk is not None
        return self.site.disk.failing("full" if fault.kind is Kind.FULL_DISK else "sync")

    async def _to_cluster(self, fault: Fault, cluster: Cluster) -> None:
        match fault.kind:
            case Kind.TERMINATE:
                which = _NOTIFICATIONS if fault.place == _NOTIFICATIONS else "%"
                await cluster.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE application_name LIKE 'syncline-{which}'"
                )
            case Kind.KILL_BACKEND:
                backends = await cluster.fetch(
                    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'syncline-%' ORDER BY backend_start"
                )
                if backends:
                    cluster.kill(backends[int(fault.amount * len(backends))]["pid"])
            case Kind.IMMEDIATE:
                await cluster.stop()
            case Kind.AWAY:
                await cluster.stop()
                await asyncio.sleep(fault.seconds)
        if not (cluster.running() and await cluster.answers()):
            await cluster.stop()
            await cluster.start()
