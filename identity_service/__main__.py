"""`python -m identity_service`: read the settings, run the service."""

from chassis import logs
from chassis.config import read
from chassis.server import run
from identity_service.app import running
from identity_service.config import IdentitySettings

if __name__ == "__main__":
    logs.configure("identity")
    run(lambda: running(read(IdentitySettings)))
