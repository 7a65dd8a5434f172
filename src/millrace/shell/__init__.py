"""Everything that touches the machine: journal, ledger, snapshots, the outbox and the sequencer before the core."""
