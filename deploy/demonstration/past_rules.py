"""The rules that the shop with a past has published in its three weeks."""

from __future__ import annotations

from typing import Final

OPENING: Final = """
version: 1
rules:
  - id: vip
    name: {vi: Khách VIP, en: VIP customer}
    tag: VIP
    when: {field: total_spent, op: at_least, value: 10_000_000}
tiers:
  - id: hang
    name: {vi: Hạng thành viên, en: Membership tier}
    downgrade: {after: 30 days}
    levels:
      - {tag: Hạng Vàng, when: {field: total_spent, op: at_least, value: 15_000_000}}
      - {tag: Hạng Bạc, when: {field: total_spent, op: at_least, value: 8_000_000}}
      - {tag: Hạng Đồng, when: {field: total_spent, op: at_least, value: 4_000_000}}
"""
MORE: Final = """
  - id: ngu-dong
    name: {vi: Khách quen ngủ đông 90 ngày, en: Regular without an order for 90 days}
    tag: Ngủ đông
    when:
      all:
        - {field: orders_count, op: at_least, value: 3}
        - {field: last_order_date, op: more_than_ago, value: 90 days}
  - id: sinh-nhat
    name: {vi: Sinh nhật tháng này, en: Birthday this month}
    tag: Sinh nhật tháng này
    when: {field: birthday, op: this_month}
  - id: khach-moi
    name: {vi: Khách mới 14 ngày, en: New for 14 days}
    tag: Khách mới
    when: {field: created_at, op: within_last, value: 14 days}
  - id: hcm-nhan-tin
    name: {vi: Ở Hồ Chí Minh và nhận tin, en: Lives in Hồ Chí Minh and subscribed}
    tag: Nhận tin HCM
    when:
      all:
        - {field: province, op: in, value: [Hồ Chí Minh]}
        - {field: accepts_marketing, op: is, value: true}
"""
WITH_MORE: Final = OPENING.replace("tiers:", MORE.lstrip("\n") + "tiers:", 1)
LOWER: Final = WITH_MORE.replace("value: 10_000_000", "value: 9_000_000", 1)
PUBLISHES: Final = {  # day -> the rules, the author, the note
    0: (OPENING, "lan", "Khách VIP và hạng thành viên"),
    8: (WITH_MORE, "lan", "Thêm ngủ đông, sinh nhật, khách mới, nhận tin HCM"),
    15: (LOWER, "minh", "Hạ ngưỡng VIP xuống 9 triệu để chuẩn bị Tết"),
}
