"""高新技术企业证书: valid for three years from issue (国科发火〔2016〕32号; C.6)."""

from __future__ import annotations

from datetime import date

from shared.records.document import Record
from shared.records.endings import of_fact
from shared.records.fields import CertificateNumber, CreditCode, Day
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import Context, Image, fact_workflow


class HnteCertificate(Record):
    """A certificate."""

    meta = {"collection": "hnte_certificates"}


class HnteCertificateSchema(RecordSchema):
    """A certificate. Its own fields."""

    cert_no = CertificateNumber(required=True, metadata={"description": "证书编号"})
    uscc = CreditCode(required=True, metadata={"description": "统一社会信用代码"})
    issued_on = Day(required=True, metadata={"description": "发证日期"})


YEARS_VALID = 3


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """valid_to is the same calendar day three years later, exclusive."""
    issued = date.fromisoformat(image["issued_on"])
    try:
        end = issued.replace(year=issued.year + YEARS_VALID)
    except ValueError:  # 29 February
        end = date(issued.year + YEARS_VALID, 3, 1)
    image["valid_to"] = end.isoformat()


KIND = Kind(
    "hnte-certificates",
    "hnte-certificate",
    HnteCertificate,
    HnteCertificateSchema(),
    fact_workflow(),
    same_keys("uscc"),
    "高新技术企业证书",
    natural_key="cert_no",
    prepare=prepare,
    first_day="issued_on",
    derived=("valid_to",),
    ends=of_fact("valid_to"),
)
