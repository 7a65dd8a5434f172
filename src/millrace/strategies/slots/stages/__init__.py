"""What a grid has shown of itself, judged from its own records: gates, stages, playbook (slots 20)."""
