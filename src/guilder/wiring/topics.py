"""Topics of Kafka that are a tenant's own. Of `acme`: charges.requests.acme, and charges.refused.acme for what was not taken."""

CHARGES = "charges.requests"
REFUSED = "charges.refused"
