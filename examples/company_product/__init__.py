"""A company product beside Guilder: a render farm that has its customers charged, and serves nobody who is blocked.

An example to copy. It uses httpx, standardwebhooks, confluent-kafka (only with Kafka) and SQLite, and nothing of Guilder's
own code. Read it in this order:

    state.py      what it knows, in one SQLite file: jobs, what is still to be sent, how far it has heard, who is blocked
    guilder.py    Guilder's API, as far as this product needs it
    sending.py    charges out of the outbox, again until they are taken
    following.py  events in, each once, in the transaction that also moves the cursor
    access.py     may this customer be served? From a cache that the events keep fresh
    kafka.py      the same two ways over Kafka's topics
    web.py        its own API, and where Guilder's webhooks come in
    __main__.py   puts it together and runs it
"""
