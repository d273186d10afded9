"""The addresses for probes and Prometheus: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from explainer.serving.metrics import CONTENT_TYPE
from explainer.serving.status import READY, ServerStatus


def respond(path: str, status: ServerStatus) -> Response | None:
    """Return the response to a request at one of these addresses, None at any other.

    `/healthz` is 200 as long as the process answers. `/readyz` is 200 if a question would be taken,
    else 503. `/metrics` is answered only if the server has metrics.
    """
    if path == "/healthz":
        return JSONResponse({"status": "ok"})
    if path == "/readyz":
        report = status.describe()
        return JSONResponse(report, 200 if report["status"] == READY else 503)
    if path == "/metrics" and status.has_metrics:
        return Response(status.format_metrics(), headers={"content-type": CONTENT_TYPE})
    return None
