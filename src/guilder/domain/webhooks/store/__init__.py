"""All SQL of webhooks: endpoints with their sealed secrets, messages, attempts."""
