"""What tests are built with. Checked by mypy --strict like the product."""
