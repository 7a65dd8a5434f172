"""What is made of a run's records, by somebody who looks at them from outside."""
