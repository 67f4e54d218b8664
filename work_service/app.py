"""Everything the work service is made of, in the order it is built."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tandem.work.v1 import member_pb2, project_pb2, task_pb2

from chassis.auth import PublishedKeys, TokenVerifier
from chassis.clock import SYSTEM_CLOCK, Clock
from chassis.config import read
from chassis.database import Database
from chassis.interceptors import InFlight, standard
from chassis.pages import PageTokens
from chassis.schema import require_current
from chassis.secret import derived_key
from chassis.server import Server, Service, serving
from chassis.telemetry import Telemetry, TelemetrySettings
from work_service.config import WorkSettings
from work_service.identity import Identity
from work_service.members.commands import MemberCommands
from work_service.members.handlers import MemberHandlers
from work_service.members.queries import MemberQueries
from work_service.projects.commands import ProjectCommands
from work_service.projects.handlers import ProjectHandlers
from work_service.projects.queries import ProjectQueries
from work_service.tasks.commands import TaskCommands
from work_service.tasks.handlers import TaskHandlers
from work_service.tasks.queries import TaskQueries

DOMAIN = "work.tandem"
PROJECTS = project_pb2.DESCRIPTOR.services_by_name["ProjectService"]
MEMBERS = member_pb2.DESCRIPTOR.services_by_name["MemberService"]
TASKS = task_pb2.DESCRIPTOR.services_by_name["TaskService"]


@asynccontextmanager
async def running(
    settings: WorkSettings, *, clock: Clock = SYSTEM_CLOCK, telemetry: Telemetry | None = None
) -> AsyncIterator[Server]:
    """The service, answering until the block is left."""
    async with AsyncExitStack() as stack:
        if telemetry is None:
            telemetry = stack.enter_context(Telemetry.started("work", read(TelemetrySettings)))
        db = await stack.enter_async_context(Database.opened(settings, telemetry))
        await require_current(db, "work")
        identity = await stack.enter_async_context(Identity.opened(settings, clock, telemetry))
        keys = PublishedKeys(identity.published_keys, clock)
        verifier = TokenVerifier(keys, clock, issuer=settings.token_issuer, audience="work")
        pages = PageTokens(derived_key(settings.secret_key.get_secret_value(), "tandem/work/page tokens"))
        lock_timeout = settings.lock_timeout
        projects = ProjectHandlers(ProjectCommands(db, clock, lock_timeout=lock_timeout), ProjectQueries(db, pages))
        members = MemberHandlers(
            MemberCommands(db, clock, identity, lock_timeout=lock_timeout), MemberQueries(db, pages)
        )
        tasks = TaskHandlers(TaskCommands(db, clock, lock_timeout=lock_timeout), TaskQueries(db, pages))
        in_flight = InFlight()
        yield await stack.enter_async_context(
            serving(
                settings,
                [Service(PROJECTS, (projects,)), Service(MEMBERS, (members,)), Service(TASKS, (tasks,))],
                standard(telemetry, in_flight, verifier, domain=DOMAIN),
                in_flight,
                {"database": db.is_reachable},
            )
        )
