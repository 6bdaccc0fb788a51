"""The doctor: what is wrong with the service and with each shop, why, and the command that repairs it.

The command `tagger doctor`, the ops API and the pages call `diagnose`, so all of them say the same. It never calls
Haravan: the command adds what `judge_haravan` says about its calls."""

from service.doctor.cache import DoctorCache
from service.doctor.diagnose import diagnose, diagnose_service, diagnose_shop
from service.doctor.findings import COMMANDS, CONFIRMATIONS, Finding, Report, Severity
from service.doctor.haravan import HaravanFacts, judge_haravan
from service.doctor.service_judgement import STORE_KEYS

__all__ = [
    "COMMANDS",
    "CONFIRMATIONS",
    "STORE_KEYS",
    "DoctorCache",
    "Finding",
    "HaravanFacts",
    "Report",
    "Severity",
    "diagnose",
    "diagnose_service",
    "diagnose_shop",
    "judge_haravan",
]
