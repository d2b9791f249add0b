"""What a customer is called once nobody may know who it was."""

from guilder.kernel.ids import CustomerId

PREFIX = "erased_"


def alias_of(customer_id: CustomerId) -> str:
    """Return the name that an erased customer has instead of its organization id: its own id says nothing of anybody."""
    return f"{PREFIX}{customer_id.hex}"
