"""Many runs over declared variants and months, by processes or a cluster."""
