-- Claims are what servers know of each other's orders; reservations are what a server decided.
-- There are no foreign keys: one statement writes both rows, and the hot path is measured.

CREATE TABLE claims (
    claim_id        text PRIMARY KEY,
    idempotency_key text UNIQUE,          -- null for claims that a peer stamped
    origin          text NOT NULL,        -- the server that stamped it
    holder_server   text NOT NULL,        -- the server that wrote this row
    policy          text NOT NULL,
    phase           text,
    seat            text NOT NULL,
    buyer           text NOT NULL,
    stamp_ns        bigint NOT NULL,      -- wall clock of the origin
    claimed_raw_ns  bigint NOT NULL,      -- CLOCK_MONOTONIC_RAW of the origin, same instant
    received_raw_ns bigint NOT NULL       -- CLOCK_MONOTONIC_RAW of the holder when it learned of it
);
CREATE INDEX claims_seat ON claims (seat);

CREATE TABLE reservations (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- pages are ordered by it
    claim_id        text NOT NULL UNIQUE,
    server          text NOT NULL,        -- the server that decided
    answered        text NOT NULL CHECK (answered IN ('held', 'confirmed', 'rejected')),
    decision        text NOT NULL
        CHECK (decision IN ('held', 'confirmed', 'rejected', 'cancelled', 'expired')),
    receipt_id      text,
    decided_wall_ns bigint NOT NULL,
    decided_raw_ns  bigint NOT NULL,
    stability_ns    bigint,
    hold_granted_ns bigint,               -- wall clock of the deciding server
    hold_expires_ns bigint,               -- wall clock of the deciding server
    ttl_ns          bigint
);

-- What is known about how wrong a server's wall clock was: from its own chronyd, or from the lab.
CREATE TABLE clock_measurements (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server     text NOT NULL,
    wall_ns    bigint NOT NULL,
    raw_ns     bigint,                    -- CLOCK_MONOTONIC_RAW of that server, where known
    error_ns   bigint,                    -- wall clock minus true time; null with a reason
    bound_ns   bigint,                    -- how far error_ns may be off, as its source claims
    source     text NOT NULL CHECK (source IN ('chronyd', 'lab')),
    reason     text,
    CHECK ((error_ns IS NULL) = (reason IS NOT NULL))
);
CREATE INDEX clock_measurements_server ON clock_measurements (server, wall_ns);

CREATE VIEW evidence_claims AS
SELECT claim_id, origin, holder_server, policy, phase, seat, buyer, stamp_ns, claimed_raw_ns,
       received_raw_ns
FROM claims;

CREATE VIEW evidence_reservations AS
SELECT r.receipt_id, r.claim_id, r.server, c.policy, c.phase, c.seat, c.buyer, c.stamp_ns,
       c.claimed_raw_ns, r.decision, r.decided_wall_ns, r.decided_raw_ns, r.stability_ns,
       r.hold_granted_ns, r.hold_expires_ns, r.ttl_ns
FROM reservations r JOIN claims c USING (claim_id);
