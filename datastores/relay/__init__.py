"""The studio's own folders, for a machine that shares none of them.

A node on another machine reaches the database and Redis, and that is enough: what lies below STUDIO_HOME (local
datastores, source folders) it asks for over Redis. Four parts stand in a row:

    client and folder   any process of the node: a local datastore, as it looks from afar
    gateway             in the node's own process, on a Unix socket: who asks there needs no key and no Redis
    Redis               carries sealed asks and answers of some megabytes; each is gone after a minute
    server              in the data worker, on the machine with the disk: opens the datastore, does it, answers

`homes` says whether a machine shares STUDIO_HOME.
"""
