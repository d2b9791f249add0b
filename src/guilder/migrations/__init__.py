"""One linear history of numbered SQL files; each must let the previous release keep running."""
