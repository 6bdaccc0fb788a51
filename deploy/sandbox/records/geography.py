"""Names and codes of countries, provinces, districts and wards: those of the seeds, and some more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from deploy.sandbox.records.models import Address

COUNTRIES = {"vn": "Vietnam", "ca": "Canada", "us": "United States"}

PROVINCES: dict[str, dict[str, str]] = {
    "vn": {
        "HC": "Hồ Chí Minh", "HI": "Hà Nội", "DA": "Đà Nẵng", "HP": "Hải Phòng", "CN": "Cần Thơ",
        "BD": "Bình Dương", "DO": "Đồng Nai", "LA": "Long An", "KH": "Khánh Hòa", "LD": "Lâm Đồng",
        "NA": "Nghệ An", "TH": "Thanh Hóa", "QN": "Quảng Ninh", "BN": "Bắc Ninh", "TT": "Thừa Thiên Huế",
        "QM": "Quảng Nam", "BV": "Bà Rịa - Vũng Tàu", "AG": "An Giang", "KG": "Kiên Giang", "DL": "Đắk Lắk",
    },
    "ca": {"ON": "Ontario", "QC": "Quebec", "BC": "British Columbia"},
    "us": {"KY": "Kentucky", "NY": "New York", "CA": "California"},
}  # fmt: skip

DISTRICTS: dict[str, dict[str, str]] = {
    "HC": {"HC466": "Quận 1", "HC468": "Quận 3", "HC472": "Quận 7", "HC476": "Quận 11", "HC484": "Thủ Đức"},
    "HI": {"HI1": "Ba Đình", "HI2": "Hoàn Kiếm", "HI5": "Cầu Giấy", "HI6": "Đống Đa"},
    "DA": {"DA490": "Hải Châu", "DA491": "Thanh Khê"},
    "HP": {"HP303": "Hồng Bàng", "HP304": "Ngô Quyền"},
    "CN": {"CN916": "Ninh Kiều", "CN918": "Bình Thủy"},
    "BD": {"BD718": "Thủ Dầu Một", "BD724": "Dĩ An"},
}

WARDS: dict[str, dict[str, str]] = {
    "HC466": {"26734": "Phường Bến Nghé", "26740": "Phường Bến Thành"},
    "HC468": {"27139": "Phường 7"},
    "HC476": {"27208": "Phường 15", "27211": "Phường 5"},
    "HI2": {"00070": "Phường Hàng Trống"},
    "HI5": {"00166": "Phường Dịch Vọng"},
    "DA490": {"20236": "Phường Thạch Thang"},
}


_LEVELS = ("country", "province", "district", "ward")


def complete_address(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of an address, with missing names filled in from codes and the reverse.

    A name field may hold a code (admin seed: `"province": "ON", "country": "CA"`). Unknown places are left unchanged.
    """
    done = dict(given)
    if done.get("country_code"):
        done["country_code"] = done["country_code"].lower()
    table: Mapping[str, str] = COUNTRIES
    for level, inside in zip(_LEVELS, (PROVINCES, DISTRICTS, WARDS, {}), strict=True):
        code, name = _pair(table, code=done.get(f"{level}_code"), name=done.get(level))
        done |= {level: name, f"{level}_code": code}
        table = inside.get(code or "", {})
    return done


def move_address(address: Address, given: dict[str, Any]) -> Address:
    """`address` with the `given` fields changed. A new province, for example, clears district and ward."""
    fields = asdict(address)
    for depth, level in enumerate(_LEVELS):
        if level in given or f"{level}_code" in given:
            for stale in _LEVELS[depth:]:
                fields[stale] = fields[f"{stale}_code"] = None
    return Address(**complete_address(fields | given))


def _pair(table: Mapping[str, str], *, code: str | None, name: str | None) -> tuple[str | None, str | None]:
    if code is not None and code in table:
        return code, table[code]
    for known, spelled in table.items():
        if name is not None and name.casefold() in {known.casefold(), spelled.casefold()}:
            return known, spelled
    return code, name
