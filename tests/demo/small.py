"""Three people, three projects, and what they have to do there, made through the API as anybody would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.demo import words

PASSWORD = "every shoe has its box"
PEOPLE: Mapping[str, str] = {"ada": "Ada Lovelace", "grace": "Grace Hopper", "linus": "Linus Pauling"}
PROJECTS: Mapping[str, str] = {"website": "Website", "workshop": "Workshop", "catalogue": "Spring catalogue"}
TASKS = 20  # in each
MOVES: Sequence[Sequence[str]] = (
    (),
    ("IN_PROGRESS",),
    ("IN_PROGRESS", "IN_REVIEW"),
    ("DONE",),
    ("CANCELLED",),
    (),
)
PRIORITIES = ("MEDIUM", "LOW", "HIGH", "MEDIUM", "URGENT")


class DemoRefused(Exception):
    """The system did not do what was asked; the text says what it said."""


@dataclass(frozen=True)
class Somebody:
    """A person who has signed in."""

    id: str
    client: httpx.Client
    token: str

    def call(self, verb: str, path: str, **body: Any) -> dict[str, Any]:
        """The answer of `/api/v1` and path."""
        headers = {"authorization": f"Bearer {self.token}"}
        response = self.client.request(verb, f"/api/v1{path}", json=body or None, headers=headers)
        return answer(response)


def answer(response: httpx.Response) -> dict[str, Any]:
    """What was answered, or DemoRefused."""
    if response.is_error:
        raise DemoRefused(f"{response.request.method} {response.url.path}: {response.text}")
    said: dict[str, Any] = response.json() if response.content else {}
    return said


def signed_in(client: httpx.Client, name: str) -> Somebody:
    """Somebody of the demo, registered if need be."""
    email = f"{name}@example.com"
    credentials = {"email": email, "password": PASSWORD}
    answer(client.post("/api/v1/auth/register", json=credentials | {"full_name": PEOPLE[name]}))
    token = answer(client.post("/api/v1/auth/login", json=credentials))["accessToken"]
    me = answer(client.get("/api/v1/auth/me", headers={"authorization": f"Bearer {token}"}))
    return Somebody(me["id"], client, token)


def fill(client: httpx.Client) -> int:
    """Make it all. How many tasks have been made; none when it was all there before.

    Raises:
        DemoRefused: Something was refused, such as the password of somebody who had an account before.
    """
    people = [signed_in(client, name) for name in PEOPLE]
    made = 0
    for number, (slug, title) in enumerate(PROJECTS.items()):
        owner, *others = people[number:] + people[:number]
        mine = owner.call("GET", "/projects?pageSize=100")["projects"]
        if any(project["slug"] == slug for project in mine):
            continue
        owner.call("POST", "/projects", title=title, slug=slug)
        for other, role in zip(others, ("MAINTAINER", "DEVELOPER"), strict=True):
            owner.call("POST", f"/projects/{slug}/members", userId=other.id, role=role)
        for task in range(TASKS):
            _make(people, slug, number * TASKS + task)
            made += 1
    return made


def _make(people: Sequence[Somebody], slug: str, number: int) -> None:
    creator, assignee = people[number % len(people)], people[number // 2 % len(people)]
    due = {"dueTime": f"2027-{1 + number % 12:02}-{1 + number % 28:02}T17:00:00Z"} if number % 3 else {}
    task = creator.call(
        "POST",
        f"/projects/{slug}/tasks",
        title=words.title(number),
        description=words.description(number),
        priority=PRIORITIES[number % len(PRIORITIES)],
        **due,
    )
    path = f"/projects/{slug}/tasks/{task['number']}"
    if number % 4:
        creator.call("POST", f"{path}:assign", assignee=assignee.id)
    for status in MOVES[number % len(MOVES)]:
        assignee.call("POST", f"{path}:transition", status=status)
    for comment in range(number % 3):
        people[comment].call(
            "POST", f"{path}/comments", text=words.SENTENCES[(number + comment) % len(words.SENTENCES)]
        )
