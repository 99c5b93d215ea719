"""Many edits: jobs from a manifest, a ledger of what became of each, and engines that run them here or on a cluster."""
