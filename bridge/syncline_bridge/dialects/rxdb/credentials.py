"""Which headers of this dialect carry the caller's credentials."""

from starlette.requests import Request

from syncline_bridge.caller import Caller, header, id_header, once_a_request

CREDENTIAL_HEADERS = ("X-Api-Key", "Authorization", "X-Device-Id", "X-User-Id")


@once_a_request
def caller_of(request: Request) -> Caller:
    """Take the credentials from a request's headers."""
    return Caller(
        request_id=request.state.request_id,
        api_key=header(request, "X-Api-Key"),
        authorization=header(request, "Authorization"),
        device_id=header(request, "X-Device-Id"),
        user_id=id_header(request, "X-User-Id"),
    )
