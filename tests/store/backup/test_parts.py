"""Whether a key belongs into a backup is decided for every key that there is."""

from __future__ import annotations

import re
from typing import Final

from service.store.backup import NOT_IN_BACKUP, SERVICE_KEYS, SHOP_KEYS
from service.store.client import keys

NAME: Final = re.compile(r"^    \{(?:shop|service)\}(.+?)(?:  +|$)", re.MULTILINE)


def test_every_key_of_a_shop_and_of_the_service_is_in_a_backup_or_is_said_not_to_be() -> None:
    assert keys.__doc__
    documented = set(NAME.findall(keys.__doc__))

    assert documented == {*SHOP_KEYS, *SERVICE_KEYS} | NOT_IN_BACKUP
    assert not {*SHOP_KEYS, *SERVICE_KEYS} & NOT_IN_BACKUP
