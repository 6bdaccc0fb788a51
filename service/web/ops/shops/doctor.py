"""The doctor: what is wrong with the service or a shop, and the command that repairs it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from service.context import Context
from service.doctor import Report, diagnose, diagnose_shop
from service.domain.access import Role
from service.locales import translator_for
from service.web.ops.contract import SHOP_PATH, Endpoint, Language, Request, RequestModel, ResponseModel

SeverityName = Annotated[
    Literal["ok", "warning", "critical"],
    Meta(description="`critical`: somebody is needed now; `warning`: look at it within the week"),
]


class DoctorQuery(RequestModel, frozen=True):
    """`deep=true` also reads all snapshots: it finds values in rules that no customer has."""

    deep: bool = False
    lang: Language = "vi"


class FindingModel(ResponseModel, frozen=True):
    """One fact. `command` repairs it, "" if no command does. `org` is null if it is about the service."""

    key: Annotated[str, Meta(description="Stable. The runbook describes each")]
    severity: SeverityName
    org: str | None
    text: str
    command: str


class DoctorReport(ResponseModel, frozen=True):
    """The findings, and the worst severity of them. Haravan is not asked: `tagger doctor` asks it too."""

    verdict: SeverityName
    findings: list[FindingModel]


async def doctor(context: Context, request: Request) -> DoctorReport:
    """Diagnose the service and every shop."""
    query: DoctorQuery = request.model
    return _to_doctor_report(await diagnose(context, translator_for(query.lang), deep=query.deep))


async def shop_doctor(context: Context, request: Request) -> DoctorReport:
    """Diagnose one shop."""
    query: DoctorQuery = request.model
    words = translator_for(query.lang)
    return _to_doctor_report(await diagnose_shop(context, request.org, words, deep=query.deep))


def _to_doctor_report(report: Report) -> DoctorReport:
    findings = [
        FindingModel(finding.key, finding.severity.value, finding.org, finding.text, finding.command)
        for finding in report.findings
    ]
    return DoctorReport(report.verdict.value, findings)


DOCTOR_EXAMPLE: Final[dict[str, Any]] = {
    "verdict": "critical",
    "findings": [
        {
            "key": "webhooks_refused",
            "severity": "critical",
            "org": "1000000001",
            "text": "Webhooks refused since 2026-11-28 15:45: 6, none accepted. Likely they are signed with another secret.",
            "command": "tagger shops secret 1000000001",
        }
    ],
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/ops/v1/doctor",
        doctor,
        DoctorReport,
        DOCTOR_EXAMPLE,
        DoctorQuery,
        cpu_bound=True,
        role=Role.VIEWER,
        every_shop=True,
    ),
    Endpoint(
        "GET",
        f"{SHOP_PATH}/doctor",
        shop_doctor,
        DoctorReport,
        DOCTOR_EXAMPLE,
        DoctorQuery,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
)
