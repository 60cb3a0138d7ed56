"""The concert booking service: one process per server, one policy, one PostgreSQL database.

Read in this order: `config` (environment in), `app` (life of the process), `api` and `routes/`
(HTTP in and out), `policy` (what every policy is given and owes), `policies/` (one file per
policy), `ledger` (what is written down), `replication` (claims to and from the peers),
`comparison` (stamps before and after correction).
"""
