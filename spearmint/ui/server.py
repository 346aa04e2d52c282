"""The page's server: what is asked for, answered with HTML that needs nothing from elsewhere."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from spearmint.errors import SpearmintError
from spearmint.evaluation.online.online_page import content_of, page_style
from spearmint.evaluation.online.online_report import OnlineReport
from spearmint.evaluation.report.labels import readable
from spearmint.ui.evaluations import EvaluationFolder
from spearmint.ui.guard import guarded, is_same, refusal
from spearmint.ui.journal_view import JournalView
from spearmint.ui.run_table import run_tables
from spearmint.ui.stage_view import StageView

_LONGEST_FORM = 10_000  # bytes
_PAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What the page shows.

    Attributes:
        token: What the address carries that the command prints.
        journals: Folders, files or patterns of journals.
        reports: Folder of reports of evaluations; None for none.
        horizon: About how many units verdicts are expected at.
        mlflow: Address of MLflow's own page; empty for none.
        mlflow_experiment: Id of the MLflow experiment that traces are in.
        reach: Draws what an experiment of some name reaches, as a tree of lines; None where that is not asked for.
    """

    token: str = field(repr=False)
    journals: tuple[str, ...] = ()
    reports: Path | None = None
    horizon: float = 5000
    mlflow: str = ""
    mlflow_experiment: str = "0"
    reach: Callable[[str], str] | None = None


def page_app(options: PageOptions) -> Starlette:
    """Return the application that serves the page."""
    pages = _Pages(options)
    routes = [
        Route("/", pages.overview),
        Route("/experiment", pages.experiment),
        Route("/stage", pages.decide, methods=["POST"]),
        Route("/evaluations", pages.evaluations),
        Route("/evaluation", pages.evaluation),
        Route("/style.css", _style),
        Route("/live.js", _script),
    ]

    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        refused = refusal(request, options.token)
        return guarded(refused or await call_next(request))

    errors: Any = {SpearmintError: pages.failure}
    return Starlette(
        routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)], exception_handlers=errors
    )


class _Pages:
    """Answers requests; whatever takes long happens on a thread."""

    def __init__(self, options: PageOptions) -> None:
        self._options = options
        self._journal = JournalView(options.journals, horizon=options.horizon)
        self._stages = StageView(options.journals)
        self._evaluations = EvaluationFolder(options.reports)

    async def overview(self, request: Request) -> Response:
        """Show all experiments."""
        reports = await run_in_threadpool(self._journal.reports) if self._options.journals else []
        rows = [_row_of(report) for report in reports]
        for row in rows:
            row["stage"] = await run_in_threadpool(self._stages.label, row["name"])
        return self._page(request, "overview.html.j2", title="Experiments", experiments=rows)

    async def experiment(self, request: Request) -> Response:
        """Show one experiment."""
        name = request.query_params.get("name", "")
        report = await run_in_threadpool(self._journal.report, name)
        content = await run_in_threadpool(content_of, report.facts, report.summary())
        values: dict[str, Any] = {
            "versions": list(dict.fromkeys(one.version for one in report.facts.records)),
            "stages": await run_in_threadpool(self._stages.stages, name),
            "switch": await run_in_threadpool(self._stages.switch, name),
            "traces": self._traces(name),
            "reach": await run_in_threadpool(self._options.reach, name) if self._options.reach else "",
            "token": self._options.token,
        }
        return self._page(request, "experiment.html.j2", title=name, content=content, **values)

    async def decide(self, request: Request) -> Response:
        """Change the stage of an experiment, or switch it, for a form of this page."""
        if int(request.headers.get("content-length", _LONGEST_FORM + 1)) > _LONGEST_FORM:
            return PlainTextResponse("That is no form of this page.", 413)
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        if not is_same(form.get("token", ""), self._options.token):
            return PlainTextResponse("State is changed from this page alone.", 403)
        name = form.get("name", "")
        await run_in_threadpool(self._stages.decide, name, form.get("action", ""), form.get("label", ""))
        return RedirectResponse(f"/experiment?{urlencode({'name': name})}", 303)

    async def evaluations(self, request: Request) -> Response:
        """Show which reports of evaluations there are."""
        found = await run_in_threadpool(self._evaluations.files)
        return self._page(request, "evaluations.html.j2", title="Evaluations", files=found)

    async def evaluation(self, request: Request) -> Response:
        """Show a report of an evaluation: a page as it is, a run as tables."""
        name = request.query_params.get("file", "")
        if name.lower().endswith(".html"):
            text = await run_in_threadpool(self._evaluations.page, name)
            return HTMLResponse(text, headers={"Content-Security-Policy": _PAGE_POLICY})
        run = await run_in_threadpool(self._evaluations.run, name)
        tables = await run_in_threadpool(run_tables, run)
        return self._page(request, "run.html.j2", title=run.function, tables=tables, rows=len(run.rows))

    async def failure(self, request: Request, error: Exception) -> Response:
        """Show what Spearmint refuses."""
        return self._page(request, "failure.html.j2", status=404, title="Nothing to show", message=str(error))

    def _page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        common = {"path": request.url.path, "has_reports": self._options.reports is not None}
        text = _templates().get_template(template).render({**common, **values})
        return HTMLResponse(readable(text), status)

    def _traces(self, name: str) -> str:
        """Return where MLflow shows the traces of an experiment; empty where that is not known."""
        if not self._options.mlflow:
            return ""
        place = f"#/experiments/{self._options.mlflow_experiment}/traces"
        return f"{self._options.mlflow.rstrip('/')}/{place}?searchFilter=tags.%60spearmint.experiment%60%3D%27{name}%27"


def _row_of(report: OnlineReport) -> dict[str, Any]:
    """Return what the overview says of an experiment."""
    units = zip(report.arms, report.facts.units.counts, strict=True)
    broken = [check.name for check in report.health if not check.is_healthy]
    verdicts = [
        (one.metric, one.case_id, "no verdict" if one.difference.doubt else one.verdict)
        for one in report.summary()
        if one.difference is not None
    ]
    return {"name": report.experiment, "units": list(units), "broken": broken, "verdicts": verdicts}


async def _style(_request: Request) -> Response:
    return Response(page_style() + _static("page.css"), media_type="text/css")


async def _script(_request: Request) -> Response:
    return PlainTextResponse(_static("live.js"), media_type="text/javascript")


@functools.cache
def _static(name: str) -> str:
    return files("spearmint.ui").joinpath("static", name).read_text(encoding="utf-8")


@functools.cache
def _templates() -> Environment:
    own, online = PackageLoader("spearmint.ui", "templates"), PackageLoader("spearmint.evaluation.online", "templates")
    loader = ChoiceLoader([own, online])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
