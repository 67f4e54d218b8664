"""`python -m work_service`: read the settings, run the service."""

from chassis import logs
from chassis.config import read
from chassis.process import run
from work_service.app import running
from work_service.config import WorkSettings

if __name__ == "__main__":
    logs.configure("work")
    run(lambda: running(read(WorkSettings)))
