"""What runs where, in a few lines, and a curl to copy."""

from rich.console import Console

from guilder.entrypoints.demo.founding import KEY_FILE, read_key
from guilder.entrypoints.house import House


def greet(house: House, console: Console) -> None:
    settings = house.settings
    console.print(f"\n[bold green]Guilder runs.[/bold green]  {settings.base_url}")
    lines = [("API", f"{settings.base_url}/docs")]
    if not settings.is_production:
        lines += [
            ("Mailbox", f"{settings.base_url}/mailbox"),
            ("Payment provider", f"http://localhost:{settings.provider_port}/sim/cards (simulated: its test cards)"),
        ]
    key = read_key(settings)
    if key is not None and not settings.is_production:
        lines.append(("Sandbox's API key", f"{key}  ({settings.guilder_data / KEY_FILE})"))
    for name, value in lines:
        console.print(f"  {name:<18} {value}", soft_wrap=True)
    if key is not None and not settings.is_production:
        console.print("\n  Try:", soft_wrap=True)
        console.print(
            f"  curl {settings.base_url}/api/subscriptions/aurora -H 'Authorization: Bearer {key}'", soft_wrap=True
        )
    console.print("\n  README.md goes on from here. Ctrl-C stops everything; nothing is lost.\n")
