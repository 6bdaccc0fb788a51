"""Customer records: the fields that rules can see, tags, and amounts of money.

Other rooms parse records here, compare tags, and find what people or other apps changed."""

from service.domain.customers.customer import (
    Customer,
    CustomerId,
    MissingField,
    MissingReason,
    OrgId,
    decode_snapshot,
    digest,
    encode_snapshot,
    parse_customer_id,
)
from service.domain.customers.drift import (
    ExternalChange,
    ExternalChanges,
    changed_since,
    external_changes,
    latest_changes,
)
from service.domain.customers.fields import MAX_ID, parse_tag_string
from service.domain.customers.masking import mask_email, mask_name, mask_phone
from service.domain.customers.money import (
    CURRENCY_EXPONENTS,
    DEFAULT_EXPONENT,
    TEN_THOUSANDTHS,
    exact_decimal,
    round_for_display,
    to_ten_thousandths,
    to_units,
)
from service.domain.customers.normalize import nfc, stream_safe
from service.domain.customers.records import (
    CustomerRecord,
    decode_leniently,
    parse_record,
    parse_typed_record,
    record_from_mapping,
)
from service.domain.customers.tags import (
    TagChange,
    TagSet,
    apply_change,
    fold,
    fold_uncached,
    format_tags,
    tag_set,
)

__all__ = [
    "CURRENCY_EXPONENTS",
    "DEFAULT_EXPONENT",
    "MAX_ID",
    "TEN_THOUSANDTHS",
    "Customer",
    "CustomerId",
    "CustomerRecord",
    "ExternalChange",
    "ExternalChanges",
    "MissingField",
    "MissingReason",
    "OrgId",
    "TagChange",
    "TagSet",
    "apply_change",
    "changed_since",
    "decode_leniently",
    "decode_snapshot",
    "digest",
    "encode_snapshot",
    "exact_decimal",
    "external_changes",
    "fold",
    "fold_uncached",
    "format_tags",
    "latest_changes",
    "mask_email",
    "mask_name",
    "mask_phone",
    "nfc",
    "parse_customer_id",
    "parse_record",
    "parse_tag_string",
    "parse_typed_record",
    "record_from_mapping",
    "round_for_display",
    "stream_safe",
    "tag_set",
    "to_ten_thousandths",
    "to_units",
]
