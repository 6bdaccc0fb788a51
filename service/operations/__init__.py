"""What people ask for about customers: replay, claims, exclusions, explanations, personal data; and key rotation.

The ops API and the command line call these functions, and a worker executes claims."""

from service.operations import claims, exclusions
from service.operations.claims import Claim
from service.operations.exclusions import Exclusion
from service.operations.explain import explain_for_shop
from service.operations.key_rotation import KeyStatus, KeyUse, key_status, rotate_keys
from service.operations.personal_data import Erasure, erase_personal_data, export_personal_data
from service.operations.replay import Selection, create_replay, select_customers

__all__ = [
    "Claim",
    "Erasure",
    "Exclusion",
    "KeyStatus",
    "KeyUse",
    "Selection",
    "claims",
    "create_replay",
    "erase_personal_data",
    "exclusions",
    "explain_for_shop",
    "export_personal_data",
    "key_status",
    "rotate_keys",
    "select_customers",
]
