"""What a role may see of a customer: names from marketers on, e-mail and phone never in full.

Haravan's admin shows all of it to those who may see it there.
"""

from __future__ import annotations

from typing import Final

HIDDEN: Final = "•••"


def mask_name(name: str) -> str:
    """The first letter of each word: L••• D•••."""
    return " ".join(f"{word[0]}{HIDDEN}" for word in name.split())


def mask_email(email: str) -> str:
    """The first character and the domain: l•••@example.com. A text without @ is hidden."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}{HIDDEN}@{domain}" if at else (HIDDEN if email else "")


def mask_phone(phone: str) -> str:
    """The last three characters: •••345."""
    if not phone:
        return ""
    return f"{HIDDEN}{phone[-3:]}" if len(phone) > 6 else HIDDEN
