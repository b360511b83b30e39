"""AuditService: proofs from the log for those who may have them."""
