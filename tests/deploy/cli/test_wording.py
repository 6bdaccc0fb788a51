"""The language of the command line: one choice for every command, in the arguments or the environment."""

from __future__ import annotations

import pytest

from deploy.cli.wording import choose_language, headings, language, take_language
from tests.deploy.cli.environment import ORG, CliEnvironment


@pytest.mark.parametrize(
    ("arguments", "rest", "wanted"),
    [
        (["doctor"], ["doctor"], None),
        (["--lang", "vi", "doctor"], ["doctor"], "vi"),
        (["doctor", "--lang", "en", "--json"], ["doctor", "--json"], "en"),
        (["doctor", "--lang=en"], ["doctor"], "en"),
        (
            ["customers", "search", "1", "--", "--lang", "vi"],
            ["customers", "search", "1", "--", "--lang", "vi"],
            None,
        ),
        (["doctor", "--lang"], ["doctor"], ""),
    ],
)
def test_the_language_stands_anywhere_among_the_arguments(
    arguments: list[str], rest: list[str], wanted: str | None
) -> None:
    assert take_language(arguments) == (rest, wanted)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "vi_VN.UTF-8"}, "vi"),
        ({"LANG": "vi_VN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "vi_VN.UTF-8", "TAGGER_LANG": "en"}, "en"),
        ({"LANG": "C", "TAGGER_LANG": "vi"}, "vi"),
        ({"LANG": "vi_VN.UTF-8", "TAGGER_LANG": ""}, "vi"),
    ],
)
def test_without_the_option_the_setting_and_then_the_locale_decide(
    environ: dict[str, str], expected: str
) -> None:
    choose_language(None)

    assert language(environ) == expected


def test_the_option_wins_over_the_environment() -> None:
    assert choose_language("vi")
    assert language({"TAGGER_LANG": "en"}) == "vi"
    assert not choose_language("fr")
    choose_language(None)


def test_a_heading_keeps_its_alignment() -> None:
    choose_language("vi")
    try:
        assert headings("customer", ">times") == ["khách hàng", ">số lần"]
    finally:
        choose_language(None)


async def test_a_language_that_we_do_not_have_is_wrong_usage(
    environment: CliEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = await environment.tagger("shops", "list", "--lang", "fr")
    monkeypatch.setenv("TAGGER_LANG", "fr")
    setting = await environment.tagger("shops", "list")

    assert (option.code, "--lang: use one of vi, en" in option.err) == (2, True)
    assert (setting.code, "TAGGER_LANG: use one of vi, en" in setting.err) == (2, True)


COMMANDS = (
    ("shops", "list"),
    ("shops", "pause", ORG),
    ("shops", "resume", ORG),
    ("rules", "history", ORG),
    ("rules", "show", ORG),
    ("deliveries", ORG),
    ("deliveries", ORG, "--customer", "404"),
    ("dead-letters", "list", ORG),
    ("dead-letters", "groups", ORG),
    ("runs", "list", ORG),
    ("dead-letters", "retry", ORG, "404"),
    ("explain", ORG, "404"),
    ("replay", ORG, "--customers", "404", "--dry-run"),
    ("replay", ORG, "--dead-letters"),
    ("replay", ORG),
    ("rules", "exclude", ORG, "1", "no-such-rule"),
    ("rules", "retract", ORG, "VIP", "--dry-run"),
    ("rules", "rollback", ORG, "7"),
    ("shops", "shadow", ORG),
    ("replay", ORG, "--customers", "1"),
    ("runs", "show", ORG, "R1"),
    ("shops", "live", ORG),
    ("shops", "approve", ORG),
    ("subscription", "status", ORG),
    ("audit", "list", "--shop", ORG),
    ("audit", "verify"),
    ("tokens", "list"),
    ("users", "list"),
    ("keys", "status"),
    ("customers", "orders", ORG, "1"),
    ("customers", "tag", ORG, "404", "VIP"),
    ("shops", "token", "404"),
    ("deliveries", "not-an-org"),
    ("deliveries", ORG, "--since", "yesterday"),
)
VIETNAMESE = set("ăâđêôơưáàảãạấầẩẫậắằẳẵặéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ")


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
async def test_a_command_speaks_one_language(shop: CliEnvironment, arguments: tuple[str, ...]) -> None:
    english = await shop.tagger(*arguments, "--lang", "en")
    vietnamese = await shop.tagger(*arguments, "--lang", "vi")

    said = (english.out + english.err).replace("Nhà Gốm", "")
    assert not VIETNAMESE & set(said.lower()), said
    assert VIETNAMESE & set((vietnamese.out + vietnamese.err).replace("Nhà Gốm", "").lower())
    assert english.code == vietnamese.code
