"""What a good answer looks like: `{"status": "success", "data": …}`, a list with a `page` as well."""

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from guilder.kernel.page import Page
from guilder.platform.http.paging import seal_cursor

T = TypeVar("T")
U = TypeVar("U")


class Envelope(BaseModel, Generic[T]):
    status: Literal["success"] = "success"
    data: T


class PageInfo(BaseModel):
    next_cursor: str | None
    has_more: bool


class ListEnvelope(BaseModel, Generic[T]):
    status: Literal["success"] = "success"
    data: list[T]
    page: PageInfo


def ok(data: T) -> Envelope[T]:
    # Built without validation: the parts are our own, and the answer is validated against its type once, by FastAPI.
    return Envelope[T].model_construct(status="success", data=data)


def listed(page: Page[T], to_wire: Callable[[T], U]) -> ListEnvelope[U]:
    """Answer with a page; the cursor is good for this tenant and this route only."""
    after = page.next_after
    info = PageInfo(next_cursor=None if after is None else seal_cursor(after), has_more=after is not None)
    return ListEnvelope[U].model_construct(status="success", data=[to_wire(item) for item in page.items], page=info)
