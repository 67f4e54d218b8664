"""What happened: one activity and one outbox row per change, in the transaction of the change."""
