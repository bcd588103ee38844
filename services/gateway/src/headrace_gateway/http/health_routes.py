"""`/api/v1/health` and `/version`: what probes and people ask."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from headrace_gateway.http.front_door import FrontDoor

NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "Not ready, with what is missing",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def create_health_router(door: FrontDoor) -> APIRouter:
    """All health routes; none of them needs a credential."""
    router = APIRouter(tags=["health"])

    @router.get("/api/v1/health/ping", summary="Ping")
    @router.get("/api/v1/health/liveness", summary="Liveness")
    async def answer() -> dict[str, str]:
        """The process answers, so it lives; looks at no dependency."""
        return {"status": "ok"}

    @router.get("/api/v1/health/startup", summary="Startup", responses=NOT_READY)
    @router.get("/api/v1/health/readiness", summary="Readiness", responses=NOT_READY)
    async def readiness(response: Response) -> dict[str, Any]:
        """200 when traffic may come; 503 with the names of what is missing."""
        missing = door.readiness.missing()
        response.status_code = 503 if missing else 200
        return {"status": "not_ready" if missing else "ready", "missing": missing}

    @router.get("/api/v1/health/status")
    async def status() -> dict[str, Any]:
        """Every readiness check with its state; always 200."""
        missing = door.readiness.missing()
        checks = {name: name not in missing for name in door.readiness.checks}
        return {"ready": not missing, "draining": door.readiness.draining, "checks": checks}

    @router.get("/version")
    async def show_version() -> dict[str, str]:
        """The release that answers."""
        return {"name": "headrace", "version": version("headrace-gateway")}

    return router
