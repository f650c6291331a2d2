"""HarnessWorker: an RQ worker for which a job is only a doorbell. The ledger says what there is to do.

The worker process performs the RQ job itself, as RQ's SimpleWorker does; the job's body has the horse execute what is
due and beats meanwhile (harness.keeper). RQ's own bookkeeping may fail at any time: Redis may come and go, or lose
everything. While it is away the worker looks into the ledger by itself.
"""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, Worker, worker_registration
from rq.exceptions import DequeueTimeout, InvalidJobOperation
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.utils import now
from rq.worker import WorkerStatus

from harness import workers
from harness.agents import registry
from harness.conf import conf
from harness.worker import kin
from harness.worker.ears import Ears
from harness.worker.keeper import Keeper
from harness.worker.wakeup import Wakeup

log = logging.getLogger(__name__)

POP_SECONDS = 1.0
"""How long a pop blocks at most; an idle worker beats between two pops."""
LEDGER_SECONDS = 2.0
"""Between two looks into the ledger while Redis is away."""
RING_SECONDS = 5.0
"""For so long one ring is worth taking the next run of its queue; then the next ring has its turn."""
REGISTER_SECONDS = 10.0
"""Between two signs of life in RQ's registry."""

_current: HarnessWorker | None = None


def work(queue_key: str) -> None:
    """The RQ job: run what is due in `queue_key`. Finding nothing is normal."""
    if _current is None:
        raise RuntimeError(
            "Runs need a worker that renews leases: start one with `manage.py work`, not with `rq worker`."
        )
    _current.serve(queue_key)


def connect() -> Redis:
    return Redis.from_url(settings.REDIS_URL)


class NoTimeout(BaseDeathPenalty):
    """Deadlines are the ledger's."""

    def setup_death_penalty(self) -> None: ...

    def cancel_death_penalty(self) -> None: ...


class HarnessWorker(Worker):
    death_penalty_class = NoTimeout
    log_result_lifespan = False

    def __init__(self, queues: Any, name: str | None = None, **options: Any) -> None:
        """As RQ's, but with the JSON serializer. `name` is for people; RQ knows it by the id of its Worker row."""
        options.update(serializer=JSONSerializer, log_job_description=False)
        self.label = name or ""
        self.served_at = self.registered_at = float("-inf")
        self.redis_away = False
        super().__init__(_names(queues), name, **options)

    def serve(self, queue_key: str) -> None:
        """Have the horse run what is due in the queue, for as long as one ring is worth."""
        until = monotonic() + RING_SECONDS
        while self.keeper.work_next(queue_key) and monotonic() < until:
            continue

    # --- starting and stopping -----------------------------------------------------------------------------------

    def work(self, burst: bool = False, with_scheduler: bool = False, **options: Any) -> bool:  # type: ignore[override]
        """As RQ's; with `burst` it ends when nothing is due. The RQ scheduler is never started."""
        if with_scheduler:
            log.warning("no RQ scheduler is started: runs wait in the ledger until they are due")
        return bool(super().work(burst=burst, **options))

    def bootstrap(self, *args: Any, **options: Any) -> None:
        """Become known in the ledger, load the agents, fork the first horse; Redis is told if it is there."""
        global _current
        registry.autodiscover()
        kin.adopt_orphans()
        if remains := kin.kill_remains():
            log.warning("killed what dead workers left behind: %s", ", ".join(remains))
        row = workers.register(self.queue_names(), name=self.label)
        self.name = str(row.pk)
        self.wakeup = Wakeup()
        self.ears = Ears(self.connection, self.pubsub_channel_name)
        self.keeper = Keeper(row.pk, self.ears, self.wakeup, on_beat=self._on_beat, let_go=self._let_go)
        _current = self
        gc.freeze()
        self.log.setLevel(logging.getLogger("rq").getEffectiveLevel())  # RQ sets its own when it is imported
        self.birth_date = now()
        log.info("worker %s (%s) takes runs from %s", row.pk, row.name, ", ".join(self.queue_names()))
        self.keeper.saddle()

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """The first signal drains, the second hurries."""
        self._stop_requested = True
        self.keeper.stops += 1

    def teardown(self) -> None:
        global _current
        self.keeper.retire()
        self._tell_redis(self.register_death)
        self.ears.close()
        _current = None
        log.info("worker %s ended", self.name)

    # --- idle ----------------------------------------------------------------------------------------------------

    def dequeue_job_and_maintain_ttl(
        self, timeout: float | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next ring, with beats in between. None: it drains, was idle too long, or nothing is due (burst)."""
        idle_since = monotonic()
        if timeout is None:
            while any(self.keeper.work_next(name) for name in self.queue_names()):
                continue
        elif self.served_at < 0:
            self._look_into_ledger()
        while not self._done(idle_since, max_idle_time):
            try:
                found = self._pop(timeout)
            except RedisError as error:
                if timeout is None:
                    return None
                self._without_redis(error)
                continue
            self._with_redis()
            if found or timeout is None:
                return found
        return None

    def _done(self, idle_since: float, max_idle_time: int | None) -> bool:
        self.keeper.saddle()
        self._stop_requested = self._stop_requested or self.keeper.draining
        return self._stop_requested or (max_idle_time is not None and monotonic() - idle_since >= max_idle_time)

    def _pop(self, timeout: float | None) -> tuple[Job, Queue] | None:
        try:
            found: tuple[Job, Queue] | None = self.queue_class.dequeue_any(
                self._ordered_queues,
                timeout,  # type: ignore[arg-type]
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
                death_penalty_class=self.death_penalty_class,
            )
        except DequeueTimeout:
            return None
        if found:
            self.reorder_queues(reference_queue=found[1])
        return found

    def _with_redis(self) -> None:
        """After an outage: nobody could ring, so the ledger is looked at once more."""
        if self.redis_away:
            self.redis_away = False
            log.info("Redis is back")
            self._look_into_ledger()

    def _without_redis(self, error: RedisError) -> None:
        if not self.redis_away:
            log.warning("Redis is away (%s): looking into the ledger instead", error)
        self.redis_away = True
        if monotonic() - self.served_at >= LEDGER_SECONDS:
            self._look_into_ledger()
        self.keeper.turn(self.dequeue_timeout)

    def _look_into_ledger(self) -> None:
        for name in self.queue_names():
            self.serve(name)
        self.served_at = monotonic()

    # --- one ring ------------------------------------------------------------------------------------------------

    def execute_job(self, job: Job, queue: Queue) -> None:
        """In this process; whatever RQ cannot write down about it does not matter to the run."""
        try:
            execution = self.prepare_execution(job)
            self.perform_job(job, queue, execution)
        except (RedisError, InvalidJobOperation) as error:
            log.warning("Redis went away or lost the ring that is answered: %s", error)
            self.redis_away = True
        finally:
            self.executions.clear()
            self._state = WorkerStatus.IDLE

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return int(self.worker_ttl)

    # --- RQ's registry -------------------------------------------------------------------------------------------

    def _on_beat(self) -> None:
        if monotonic() - self.registered_at >= REGISTER_SECONDS and not self.redis_away:
            self._tell_redis(self._register)
            self.registered_at = monotonic()

    def _register(self) -> None:
        """Be in RQ's registry, also after Redis lost everything, and keep the ring in hand alive."""
        self.last_heartbeat = now()
        with self.connection.pipeline() as pipeline:
            pipeline.hset(self.key, mapping={**self.serialize(), "state": self._state})
            pipeline.expire(self.key, self.worker_ttl + 60)
            worker_registration.register(self, pipeline)
            for execution in self.executions.values():
                job = execution.job
                execution.heartbeat(job.started_job_registry, self.get_heartbeat_ttl(job), pipeline=pipeline)
            pipeline.execute()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ calls this often and with Redis in hand; our beat registers, in time and tolerantly."""

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """Shown at the next registration."""
        self._state = state

    def check_for_suspension(self, burst: bool) -> None:
        """`rq suspend` knows one switch for everything; queues are paused in the ledger."""

    def run_maintenance_tasks(self) -> None:
        self._tell_redis(super().run_maintenance_tasks)
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def _tell_redis(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except RedisError as error:
            log.debug("RQ's bookkeeping failed: %s", error)

    def _set_ip_address(self, connection: Redis) -> None:
        self.ip_address = "unknown"
        with suppress(RedisError):
            super()._set_ip_address(connection)

    # --- Redis ---------------------------------------------------------------------------------------------------

    @property
    def dequeue_timeout(self) -> float:  # type: ignore[override]
        return min(POP_SECONDS, conf.HEARTBEAT_INTERVAL_SECONDS)

    @property
    def connection_timeout(self) -> float:  # type: ignore[override]
        return self.dequeue_timeout + 1.0

    def _set_connection(self, connection: Redis) -> Redis:
        """Nobody waits long for Redis: a hanging one must not cost a beat."""
        connection.connection_pool.connection_kwargs.update(
            socket_timeout=self.connection_timeout,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        return connection

    def _let_go(self) -> None:
        """In a new horse: what only the worker may use is closed."""
        self.wakeup.close()
        self.ears.close()
        self.connection.connection_pool.disconnect()


def _names(queues: Any) -> list[str]:
    """Queues by name, so that each is made with the worker's connection and serializer."""
    given: Sequence[str | Queue] = queues if isinstance(queues, list | tuple) else [queues]
    return [queue if isinstance(queue, str) else queue.name for queue in given]
