"""The words of which made-up customers are made: Vietnamese names, streets, tags and notes."""

from __future__ import annotations

FAMILY = (
    ("Nguyễn", 38), ("Trần", 12), ("Lê", 10), ("Phạm", 7), ("Hoàng", 5), ("Huỳnh", 5), ("Phan", 5), ("Vũ", 4),
    ("Võ", 4), ("Đặng", 3), ("Bùi", 2), ("Đỗ", 2), ("Hồ", 1), ("Ngô", 1), ("Dương", 1), ("Lý", 1),
)  # fmt: skip
FEMALE = (
    "Thị Ánh", "Thị Hồng Nhung", "Thu Hà", "Ngọc Anh", "Thị Thanh Thủy", "Phương Thảo", "Bảo Trân", "Khánh Linh",
    "Mỹ Duyên", "Thị Kim Ngân", "Thùy Dương", "Tường Vi", "Quỳnh Như", "Thị Bích Phượng", "Diễm My", "Hải Yến",
)  # fmt: skip
MALE = (
    "Văn Hùng", "Minh Quân", "Đức Thắng", "Quốc Bảo", "Hữu Phước", "Gia Huy", "Thanh Tùng", "Anh Tuấn",
    "Đình Khôi", "Trọng Nghĩa", "Văn Được", "Hoàng Long", "Công Vinh", "Tấn Phát", "Nhật Minh", "Xuân Trường",
)  # fmt: skip
STREETS = (
    "Lê Đại Hành", "Nguyễn Trãi", "Cách Mạng Tháng Tám", "Điện Biên Phủ", "Hai Bà Trưng", "Trần Hưng Đạo",
    "Phan Đình Phùng", "Lý Thường Kiệt", "Võ Văn Tần", "Nguyễn Huệ",
)  # fmt: skip
NOTES = ("Giao giờ hành chính", "Khách quen", "Gọi trước khi giao", "Thích gói quà", "Hay đổi size")
HAND_TAGS = ("Khách sỉ", "Bạn của shop", "Cần gọi lại", "Facebook", "Zalo")
GROUP_NAMES = ("Khách hàng thân thiết", "Khách hàng tiềm năng")
