"""Numbers of certificates, entries and patents."""

from __future__ import annotations

import re

from shared.standards.errors import StandardError, half_width

CERTIFICATE = re.compile(r"GR20\d{2}44\d{6}")  # 高企证书: GR + year + province + serial
ENTRY = re.compile(r"20\d{2}\d{6}[0-9A-Z]{8}")  # 入库登记编号: year 4 + division 6 + 8
PATENT = re.compile(r"ZL(\d{12})\.?([\dX])")
PATENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def check_certificate(text: str) -> str:
    """A normalised 高企 certificate number. Raises StandardError."""
    number = half_width(text)
    if not CERTIFICATE.fullmatch(number):
        raise StandardError("format", "证书编号格式应为 GR+年份+44+6位 (GR + year + 44 + 6 digits)")
    return number


def check_entry(text: str) -> str:
    """A normalised 科技型中小企业 entry number. Raises StandardError."""
    number = half_width(text)
    if not ENTRY.fullmatch(number):
        raise StandardError("format", "入库登记编号应为18位:年份4+区划6+8 (year 4 + division 6 + 8)")
    return number


def check_patent(text: str) -> str:
    """A normalised patent number, ZL + 12 digits + "." + check. Raises StandardError."""
    found = PATENT.fullmatch(half_width(text).replace(" ", ""))
    if not found:
        raise StandardError("format", "专利号格式应为 ZL+12位+.校验位 (ZL + 12 digits + .check)")
    if found.group(2) != patent_check(found.group(1)):
        raise StandardError("check", "专利号校验位不符 (check digit)", 16)
    return f"ZL{found.group(1)}.{found.group(2)}"


def patent_check(digits: str) -> str:
    """The check digit of a patent number's 12 digits."""
    return "0123456789X"[sum(int(c) * w for c, w in zip(digits, PATENT_WEIGHTS, strict=True)) % 11]
