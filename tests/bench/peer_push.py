# mypy: ignore-errors
"""What `./dev bench push --peers` gives functions-framework to serve: a handler that does nothing, as its docs teach it."""

import functions_framework


@functions_framework.cloud_event
def event(cloud_event):
    cloud_event.get("id") if hasattr(cloud_event, "get") else cloud_event["id"]


async def asgi_event(cloud_event):
    cloud_event["id"]


try:
    from functions_framework import aio

    asgi_event = aio.cloud_event(asgi_event)
except ImportError:
    asgi_event = None
