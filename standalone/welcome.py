"""What is printed when everything is ready: the addresses, and something to paste."""

from pathlib import Path

from standalone.settings import Address


def welcome(gateway: Address, identity: Address, work: Address, mail: Path) -> str:
    """Addresses and first commands. The block between the rules is a shell script; a test runs it."""
    return f"""
Tandem is ready. Ctrl-C stops it; what you have made is kept.

  REST       http://{gateway}   (documentation to try out: http://{gateway}/docs)
  identity   {identity}   (gRPC, with reflection)
  work       {work}   (gRPC, with reflection)

Try it:
{"-" * 80}
{commands(gateway)}
{"-" * 80}
Mail is not sent: unless IDENTITY_SMTP_URL is set, it is written to {mail},
and the link in it shows up here. What stands behind its "#token=" verifies the address:

  curl -sS http://{gateway}/api/v1/auth:verifyEmail -H 'Content-Type: application/json' -d '{{"token": "tdm_..."}}'

The same over gRPC:

  grpcurl -plaintext {work} list
  grpcurl -plaintext -H "Authorization: Bearer $TOKEN" -d '{{"project": "web", "task": "1"}}' \\
    {work} tandem.work.v1.TaskService/GetTask
  buf curl --protocol grpc --http2-prior-knowledge -H "Authorization: Bearer $TOKEN" \\
    -d '{{"project": "web", "task": "1"}}' http://{work}/tandem.work.v1.TaskService/GetTask
"""


def commands(gateway: Address) -> str:
    """From nothing to a task under way."""
    return f"""
API=http://{gateway}
JSON='Content-Type: application/json'
curl -sS -w '\\n' $API/api/v1/auth/register -H "$JSON" -d '{{
  "email": "ada@example.com", "password": "correct horse battery", "full_name": "Ada Lovelace"}}'
TOKEN=$(curl -sS $API/api/v1/auth/login -H "$JSON" -d '{{
  "email": "ada@example.com", "password": "correct horse battery"}}' |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["accessToken"])')
curl -sS -w '\\n' $API/api/v1/projects -H "$JSON" -H "Authorization: Bearer $TOKEN" -d '{{
  "title": "Website", "slug": "web"}}'
curl -sS -w '\\n' $API/api/v1/projects/web/tasks -H "$JSON" -H "Authorization: Bearer $TOKEN" -d '{{
  "title": "Write the first page"}}'
curl -sS -w '\\n' $API/api/v1/projects/web/tasks/1:transition -H "$JSON" -H "Authorization: Bearer $TOKEN" -d '{{
  "status": "IN_PROGRESS"}}'
""".strip()
