from guilder.entrypoints.cli import app

app()
