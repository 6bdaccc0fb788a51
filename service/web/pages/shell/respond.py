"""Answers a request of a page: who asks, may they, what the handler says, and how it is shown."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote, urlencode

import structlog
from redis.exceptions import RedisError
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from service.alerts import Alerts
from service.context import Context
from service.cpu_pool import CpuRunner
from service.doctor import DoctorCache
from service.domain.customers import OrgId
from service.domain.explain import LANGUAGES
from service.errors import Forbidden, NotFound
from service.locales import parse_language, translator_for
from service.runtime import BackgroundTasks
from service.sentence import Sentence
from service.web.authentication import SignInLimiter, client_of
from service.web.pages.shell.layout import build_layout
from service.web.pages.shell.page import Download, Page, Redirect, Section, View, Visit
from service.web.pages.shell.rendering import render
from service.web.pages.shell.security import HEADERS
from service.web.pages.shell.visitor import (
    NOTICE_COOKIE,
    find_visitor,
    is_partial,
    language_of,
    read_notice,
    set_language,
    set_notice,
    set_session,
)
from service.web.problems import Problem, handle_http_exception, to_problem

MACHINE_PATHS: Final = ("/ops", "/webhooks", "/static")
MAX_FORM_BYTES: Final = 1024 * 1024
MAX_FIELDS: Final = 5_000
FORM_TOKEN: Final = "form_token"  # noqa: S105  # the name of a field
FORM_TOKEN_HEADER: Final = "x-form-token"  # noqa: S105  # htmx sends it as a header
EXPLAINED_STATUSES: Final = frozenset({400, 401, 403, 404, 409, 413, 429, 503, 504})

Respond = Callable[[Request], Awaitable[Response]]


class SignInNeeded(Exception):
    """The page needs a session, and there is none any more."""


class StaleForm(Exception):
    """The form was loaded in an earlier session."""


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """What an error page says. `detail` names what the service refused, and why."""

    status: int
    key: str
    detail: str = ""
    path: str = ""
    fields: tuple[tuple[str, str], ...] = ()  # what was posted, to send it again; never a password


@dataclass(frozen=True, slots=True)
class Responder:
    """Makes the endpoint of each page."""

    context: Context
    cpu: CpuRunner
    sign_ins: SignInLimiter
    sections: Sequence[Section]
    doctor: DoctorCache
    alerts: Alerts
    background: BackgroundTasks = field(default_factory=BackgroundTasks)

    def endpoint(self, pages: Sequence[Page]) -> Respond:
        """The endpoint of a path. `pages` are its methods."""
        by_method = {page.method: page for page in pages}

        async def respond(request: Request) -> Response:
            page = by_method["POST" if request.method == "POST" else "GET"]
            structlog.contextvars.bind_contextvars(operation=page.name)
            if switched := _switch_language(request):
                return switched
            try:
                return await self._respond(page, request)
            finally:
                await request.close()  # files that were posted

        return respond

    async def show_missing(self, request: Request, exc: Exception) -> Response:
        """The answer to a path that does not exist: a page for a browser, a problem for a program."""
        path = request.url.path
        if "text/html" not in request.headers.get("accept", "") or path.startswith(MACHINE_PATHS):
            return await handle_http_exception(request, exc)
        visit = self._visit(request)
        try:
            visit = replace(visit, visitor=await find_visitor(self.context, request))
        except RedisError as error:
            return await self._show_error(to_problem(error), visit, request)
        response = await self._show_error(Problem("not-found", ""), visit, request)
        response.headers.update(HEADERS)  # the middleware is that of single routes
        return response

    async def _respond(self, page: Page, request: Request) -> Response:
        visit = self._visit(request)
        try:
            visit = replace(visit, visitor=await find_visitor(self.context, request))
            visit = replace(visit, form=await _form(request))
            authorize(page, visit, form_token=request.headers.get(FORM_TOKEN_HEADER, ""))
            answer = await page.handler(visit)
        except SignInNeeded:
            return await self._ask_to_sign_in(page, visit, request)
        except StaleForm:
            return await self._show(
                _error_view(_kept_form(403, "page.error.stale", visit, request), visit), visit, request
            )
        except Exception as exc:  # noqa: BLE001  # the outermost frame of a page; to_problem logs it
            return await self._show_error(to_problem(exc), visit, request)
        if isinstance(answer, Redirect):
            return _redirect(answer, visit)
        if isinstance(answer, Download):
            headers = {"Content-Disposition": f'attachment; filename="{answer.name}"'}
            return Response(answer.content, headers=headers, media_type=answer.media_type)
        return await self._show(answer, visit, request)

    def _visit(self, request: Request) -> Visit:
        return Visit(
            context=self.context,
            cpu=self.cpu,
            t=translator_for(language_of(request)),
            path=request.path_params,
            query=request.query_params,
            form=FormData(),
            client=client_of(request.client.host if request.client else None),
            agent=request.headers.get("user-agent", ""),
            url=f"{request.url.scheme}://{request.url.netloc}",
            is_partial=is_partial(request),
            sign_ins=self.sign_ins,
            doctor=self.doctor,
            alerts=self.alerts,
            background=self.background,
        )

    async def _show(self, view: View, visit: Visit, request: Request) -> Response:
        notice = None if visit.is_partial else read_notice(request)
        layout = await build_layout(
            visit,
            sections=self.sections,
            path=request.url.path,
            query=request.query_params.multi_items(),
            notice=notice,
        )
        response = HTMLResponse(render(view, visit, layout), view.status, dict(view.headers))
        if not visit.is_partial and NOTICE_COOKIE in request.cookies:
            set_notice(response, None)
        return response

    async def _ask_to_sign_in(self, page: Page, visit: Visit, request: Request) -> Response:
        """A page leads to the sign-in and back. The answer to a form keeps what was typed."""
        if page.method == "GET" and not visit.is_partial:
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?{urlencode({'next': path})}", status_code=303)
        model = _kept_form(401, "page.error.401", visit, request)
        return await self._show(_error_view(model, visit), visit, request)

    async def _show_error(self, problem: Problem, visit: Visit, request: Request) -> Response:
        status = problem.status if problem.status in EXPLAINED_STATUSES else 500
        said = problem.detail
        detail = said.text(visit.t) if isinstance(said, Sentence) else said
        model = ErrorModel(problem.status, f"page.error.{status}", detail)
        view = _error_view(model, visit)
        view = replace(view, headers={**view.headers, **(problem.headers or {})})
        if problem.status in (500, 503):  # the layout needs the store as well
            visit = replace(visit, visitor=None)
        try:
            return await self._show(view, visit, request)
        except Exception as exc:  # noqa: BLE001  # the store does not answer
            to_problem(exc)
            return Response(problem.body, problem.status, problem.headers, "application/problem+json")


def authorize(page: Page, visit: Visit, *, form_token: str) -> None:
    """Check session, token of the form, shop and role. Raises SignInNeeded, StaleForm, Forbidden, NotFound.

    For a user of some shops all others do not exist: the answer is the same whether we know them or not.
    """
    if page.role is None:
        return
    if visit.visitor is None:
        raise SignInNeeded
    structlog.contextvars.bind_contextvars(by=visit.by.name)
    given = visit.posted(FORM_TOKEN) or form_token
    if page.method == "POST" and not hmac.compare_digest(given.encode(), visit.visitor.form_token.encode()):
        raise StaleForm
    org = visit.path.get("org", "0")
    if not (org.isascii() and org.isdigit()) or ("org" in visit.path and not visit.by.may_reach(OrgId(org))):
        raise NotFound(Sentence("there is no shop {org} for you", org=org[:40]))
    visit.by.require(page.role, Sentence("use {page}", page=page.name))
    if page.every_shop and visit.by.shops is not None:
        raise Forbidden(Sentence("{name} is for users of every shop", name=page.name))


def _switch_language(request: Request) -> Response | None:
    """`?lang=en` keeps the language in a cookie, and leads to the same page without it."""
    wanted = request.query_params.get("lang")
    if request.method not in ("GET", "HEAD") or wanted not in LANGUAGES:
        return None
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    path = quote(request.url.path)
    response = RedirectResponse(f"{path}?{urlencode(kept)}" if kept else path, status_code=303)
    set_language(response, parse_language(wanted))
    return response


def _redirect(answer: Redirect, visit: Visit) -> Response:
    """See another page. htmx would put that page into a part of this one, so it is told to load it."""
    response: Response = (
        Response(status_code=204, headers={"HX-Redirect": answer.path})
        if visit.is_partial
        else RedirectResponse(answer.path, status_code=303)
    )
    if answer.notice is not None:
        set_notice(response, answer.notice)
    if answer.session is not None:
        set_session(response, answer.session)
    return response


def _error_view(model: ErrorModel, visit: Visit) -> View:
    title = visit.t(f"{model.key}.title")
    if visit.is_partial:
        headers = {"HX-Retarget": "#toasts", "HX-Reswap": "afterbegin"}
        return View("shell/error_toast.html", model, title, status=model.status, headers=headers)
    return View("shell/error.html", model, title, status=model.status)


def _kept_form(status: int, key: str, visit: Visit, request: Request) -> ErrorModel:
    """An error that keeps what was posted: the browser has no other copy without JavaScript."""
    fields = tuple(
        (name, value)
        for name, value in visit.form.multi_items()
        if isinstance(value, str) and name != FORM_TOKEN and "password" not in name
    )
    return ErrorModel(status, key, path=request.url.path, fields=fields)


async def _form(request: Request) -> FormData:
    """What was posted. Raises Problem 400, 413."""
    if request.method != "POST":
        return FormData()
    if int(request.headers.get("content-length") or MAX_FORM_BYTES + 1) > MAX_FORM_BYTES:
        raise Problem(
            "body-too-large", Sentence("the form is larger than 1 MiB, or does not say how large it is")
        )
    try:
        return await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FORM_BYTES)
    except HTTPException as exc:
        raise Problem("invalid-body", Sentence("the form is wrong: {why}", why=exc.detail)) from exc
    except ClientDisconnect as exc:
        raise Problem(
            "incomplete-body", Sentence("the connection was closed before the form was complete")
        ) from exc
