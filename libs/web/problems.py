"""Every error as problem JSON (RFC 9457): type, title, status, code, detail, retry, request_id. Never a stack trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from libs.contracts.errors import BotelError, InvalidRequest, TooLarge
from libs.web.errors import (
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    UnsupportedMedia,
    WebError,
    retry_after_s,
    status_of,
)

MEDIA_TYPE = "application/problem+json"
_MAX_FIELDS_TOLD = 8


def problem(error: BotelError, request_id: str = "") -> dict[str, Any]:
    """The body of a problem response, also sent as the last event of a stream that fails."""
    body: dict[str, Any] = {
        "type": f"urn:botel:problem:{error.code}",
        "title": error.code.replace("-", " ").capitalize(),
        "status": status_of(error),
        "code": error.code,
        "detail": error.detail,
        "retry": error.retry.value,
    }
    if request_id:
        body["request_id"] = request_id
    if isinstance(error, WebError):
        body.update(error.members)
    return body


def problem_response(error: BotelError, request_id: str = "") -> Response:
    """The response of an error, with `Retry-After` and `WWW-Authenticate` where they belong."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if wait_s := retry_after_s(error):
        headers["Retry-After"] = str(wait_s)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem(error, request_id), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Answer typed errors, validation errors and the framework's own errors as problems."""
    app.add_exception_handler(BotelError, _typed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)


def request_id_of(request: Request) -> str:
    """The id that `RequestScope` gave this request; '' without it."""
    return str(getattr(request.state, "request_id", ""))


async def _typed(request: Request, error: Exception) -> Response:
    assert isinstance(error, BotelError)
    return problem_response(error, request_id_of(request))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(_explain(request, error.errors()), request_id_of(request))


def _explain(request: Request, errors: Sequence[Any]) -> BotelError:
    """Names the fields and what is wrong with them; never repeats what was sent."""
    if any(item["type"] == "json_invalid" for item in errors):
        return MalformedJson()
    raw_body = any(tuple(item["loc"]) == ("body",) and isinstance(item.get("input"), bytes) for item in errors)
    if raw_body and "json" not in request.headers.get("content-type", ""):
        return UnsupportedMedia()
    told = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in errors[:_MAX_FIELDS_TOLD]]
    return InvalidRequest("; ".join(told))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = problem_response(_framework_error(error.status_code), request_id_of(request))
    if error.headers:
        response.headers.update(error.headers)
    return response


def _framework_error(status: int) -> BotelError:
    match status:
        case 400:
            return MalformedJson()
        case 404:
            return NotFound()
        case 405:
            return MethodNotAllowed()
        case 413:
            return TooLarge()
        case 415:
            return UnsupportedMedia()
        case _:
            return InvalidRequest("the request was refused")
