"""Everything the work service is made of, in the order it is built."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from tandem.work.v1 import (
    activity_pb2,
    category_pb2,
    comment_pb2,
    label_pb2,
    member_pb2,
    project_pb2,
    relation_pb2,
    task_pb2,
)

from chassis.auth import PublishedKeys, TokenVerifier
from chassis.clock import SYSTEM_CLOCK, Clock
from chassis.config import read
from chassis.database import Database
from chassis.interceptors import InFlight, standard
from chassis.leases import Leases, repeatedly
from chassis.pages import PageTokens
from chassis.revocations import Revocations
from chassis.schema import require_current
from chassis.secret import derived_key
from chassis.server import Server, Service, serving
from chassis.telemetry import Telemetry, TelemetrySettings
from work_service.activities.handlers import ActivityHandlers
from work_service.activities.queries import ActivityQueries
from work_service.batches.commands import BatchCommands
from work_service.batches.handlers import BatchHandlers
from work_service.batches.queries import BatchQueries
from work_service.comments.commands import CommentCommands
from work_service.comments.handlers import CommentHandlers
from work_service.comments.queries import CommentQueries
from work_service.config import WorkSettings
from work_service.departures.commands import Departures
from work_service.details.handlers import DetailHandlers
from work_service.details.queries import DetailQueries
from work_service.exports.handlers import ExportHandlers
from work_service.exports.queries import ExportQueries
from work_service.finding.handlers import FindingHandlers
from work_service.finding.queries import FindingQueries
from work_service.identity import Identity
from work_service.imports.commands import ImportCommands
from work_service.imports.domain import Bounds
from work_service.imports.handlers import ImportHandlers
from work_service.invitations.commands import Announcements, Arrivals, InvitationCommands, withdrawn
from work_service.invitations.handlers import InvitationHandlers
from work_service.invitations.queries import InvitationQueries
from work_service.invitations.store import INVITED
from work_service.members.commands import MemberCommands, one_after_the_other
from work_service.members.handlers import MemberHandlers
from work_service.members.queries import MemberQueries
from work_service.overviews.handlers import OverviewHandlers
from work_service.overviews.queries import OverviewQueries
from work_service.profiles.feed import IdentityFeed
from work_service.profiles.store import KEPT
from work_service.projects.commands import ProjectCommands
from work_service.projects.handlers import ProjectHandlers
from work_service.relations.commands import RelationCommands
from work_service.relations.handlers import RelationHandlers
from work_service.relations.queries import RelationQueries
from work_service.retention.commands import Retention
from work_service.stats.handlers import StatsHandlers
from work_service.stats.queries import StatsQueries
from work_service.tables import leases
from work_service.tags.commands import TagCommands
from work_service.tags.handlers import CategoryHandlers, LabelHandlers
from work_service.tags.queries import TagQueries
from work_service.tasks.commands import TaskCommands, released
from work_service.tasks.handlers import TaskHandlers

DOMAIN = "work.tandem"
PROJECTS = project_pb2.DESCRIPTOR.services_by_name["ProjectService"]
MEMBERS = member_pb2.DESCRIPTOR.services_by_name["MemberService"]
CATEGORIES = category_pb2.DESCRIPTOR.services_by_name["CategoryService"]
LABELS = label_pb2.DESCRIPTOR.services_by_name["LabelService"]
RELATIONS = relation_pb2.DESCRIPTOR.services_by_name["RelationService"]
COMMENTS = comment_pb2.DESCRIPTOR.services_by_name["CommentService"]
ACTIVITIES = activity_pb2.DESCRIPTOR.services_by_name["ActivityService"]
TASKS = task_pb2.DESCRIPTOR.services_by_name["TaskService"]

SWEEP_EVERY = timedelta(hours=1)  # what is kept for days may be kept for an hour more
ANNOUNCED_EVERY = timedelta(seconds=5)  # how soon identity is asked again after it could not be
SETTLED_EVERY = timedelta(minutes=1)  # as a rule it is done when identity's feed says so


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
        revocations = Revocations(clock)
        heard_of_departures, heard_of_arrivals, heard_of_invitations = [asyncio.Event() for _ in range(3)]
        for channel, heard in (
            (KEPT, heard_of_departures),
            (KEPT, heard_of_arrivals),
            (INVITED, heard_of_arrivals),
            (INVITED, heard_of_invitations),
        ):
            stack.enter_context(db.listening(channel, heard.set))
        feed = await stack.enter_async_context(IdentityFeed.opened(identity, db, revocations, telemetry.meter))
        verifier = TokenVerifier(keys, clock, issuer=settings.token_issuer, audience="work", revocations=revocations)
        pages = PageTokens(derived_key(settings.secret_key.get_secret_value(), "tandem/work/page tokens"))
        lock_timeout = settings.lock_timeout
        projects = ProjectHandlers(ProjectCommands(db, clock, lock_timeout=lock_timeout, kept_for=settings.retention))
        overviews = OverviewHandlers(OverviewQueries(db, pages))
        relieved = one_after_the_other(released, withdrawn)
        members = MemberHandlers(
            MemberCommands(db, clock, identity, relieved, lock_timeout=lock_timeout), MemberQueries(db, pages)
        )
        tag_commands, tag_queries = TagCommands(db, clock), TagQueries(db, pages)
        tasks = TaskHandlers(TaskCommands(db, clock, lock_timeout=lock_timeout))
        batches = BatchHandlers(BatchCommands(db, clock, lock_timeout=lock_timeout), BatchQueries(db))
        finding = FindingHandlers(FindingQueries(db, pages))
        exports = ExportHandlers(ExportQueries(db))
        imports = ImportHandlers(
            ImportCommands(db, clock, lock_timeout=lock_timeout),
            Bounds(settings.import_most_tasks, settings.import_most_bytes),
        )
        relations = RelationHandlers(RelationCommands(db, clock), RelationQueries(db))
        comments = CommentHandlers(CommentCommands(db, clock), CommentQueries(db, pages))
        activities = ActivityHandlers(ActivityQueries(db, pages))
        retention = Retention(db, clock, kept_for=settings.retention)
        announcements = Announcements(db, clock, identity, telemetry.meter)
        shared = Leases(db, clock, leases)
        for name, sweep in {"retention": retention.sweep, "told invitations": announcements.sweep}.items():
            await stack.enter_async_context(shared.periodically(name, sweep, every=SWEEP_EVERY))
        invitations = InvitationHandlers(
            InvitationCommands(db, clock, lock_timeout=lock_timeout), InvitationQueries(db, pages)
        )
        await stack.enter_async_context(
            repeatedly("announcements", announcements.send_due, every=ANNOUNCED_EVERY, woken=heard_of_invitations)
        )
        await stack.enter_async_context(
            repeatedly("arrivals", Arrivals(db, clock).settle, every=SETTLED_EVERY, woken=heard_of_arrivals)
        )
        departures = Departures(db, clock, relieved, lock_timeout=lock_timeout)
        await stack.enter_async_context(
            repeatedly("departures", departures.settle, every=SETTLED_EVERY, woken=heard_of_departures)
        )
        in_flight = InFlight()
        yield await stack.enter_async_context(
            serving(
                settings,
                [
                    Service(PROJECTS, (projects, overviews, members, StatsHandlers(StatsQueries(db, clock)))),
                    Service(MEMBERS, (members, invitations)),
                    Service(CATEGORIES, (CategoryHandlers(tag_commands, tag_queries),)),
                    Service(LABELS, (LabelHandlers(tag_commands, tag_queries),)),
                    Service(TASKS, (tasks, DetailHandlers(DetailQueries(db)), batches, finding, exports, imports)),
                    Service(RELATIONS, (relations,)),
                    Service(COMMENTS, (comments,)),
                    Service(ACTIVITIES, (activities,)),
                ],
                standard(telemetry, in_flight, verifier, domain=DOMAIN, trusted_proxies=settings.trusted_proxies),
                in_flight,
                {"database": db.is_reachable},
                informing={"identity_feed": feed.is_connected},
            )
        )
