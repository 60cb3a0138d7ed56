-- What the policies beyond timestamp-order, lease and unique rest on.

ALTER TABLE claims
    ADD COLUMN logical         bigint NOT NULL DEFAULT 0, -- second half of a hybrid logical stamp
    ADD COLUMN claimed_wall_ns bigint,  -- wall clock of the origin, where the stamp is another
    ADD COLUMN bound_ns        bigint;  -- what the origin promised its clock's error not to exceed

ALTER TABLE reservations
    ADD COLUMN fencing_token   bigint,  -- the how-manieth lease of the seat this was
    ADD COLUMN judged_ns       bigint,  -- the clock that the lease was judged by, at the decision
    ADD COLUMN peers_bound_ns  bigint;  -- the largest clock error that the peers admitted to

CREATE OR REPLACE VIEW evidence_claims AS
SELECT claim_id, origin, holder_server, policy, phase, seat, buyer, stamp_ns, claimed_raw_ns,
       received_raw_ns, logical, claimed_wall_ns, bound_ns
FROM claims;

CREATE OR REPLACE VIEW evidence_reservations AS
SELECT r.receipt_id, r.claim_id, r.server, c.policy, c.phase, c.seat, c.buyer, c.stamp_ns,
       c.claimed_raw_ns, r.decision, r.decided_wall_ns, r.decided_raw_ns, r.stability_ns,
       r.hold_granted_ns, r.hold_expires_ns, r.ttl_ns, c.logical, c.claimed_wall_ns, c.bound_ns,
       r.fencing_token, r.judged_ns, r.peers_bound_ns
FROM reservations r JOIN claims c USING (claim_id);
