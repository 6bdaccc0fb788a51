"""What people ask for about single customers: search, explanations, exclusions, and what is stored of a person.

The other operations use its texts; the ops API, the pages and the command line reach it through `service.operations`."""

from service.operations.customers import exclusions, search
from service.operations.customers.exclusions import Exclusion
from service.operations.customers.explain import Explained, explain_for_shop
from service.operations.customers.explain_text import (
    format_cause,
    format_dead_letter,
    format_values,
    outcome_text,
)
from service.operations.customers.personal_data import (
    Erasure,
    erase_personal_data,
    export_personal_data,
    load_record,
)

__all__ = [
    "Erasure",
    "Exclusion",
    "Explained",
    "erase_personal_data",
    "exclusions",
    "explain_for_shop",
    "export_personal_data",
    "format_cause",
    "format_dead_letter",
    "format_values",
    "load_record",
    "outcome_text",
    "search",
]
