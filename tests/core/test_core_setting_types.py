"""Types for the settings of plugins."""

import pytest
from pydantic import BaseModel, ValidationError

from gateway_core.setting_types import BaseUrl, HeaderText
from support.about import each


class _Settings(BaseModel):
    url: BaseUrl = "https://a.example"
    header: HeaderText = "x"


def test_an_address_loses_its_last_slash() -> None:
    assert _Settings(url="http://127.0.0.1:1/v1/").url == "http://127.0.0.1:1/v1"


@each(
    "values",
    [{"url": "ftp://a"}, {"url": "a"}, {"header": ""}, {"header": "a\nb"}, {"header": "ä"}],
)
def test_what_fits_neither_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        _Settings.model_validate(values)
