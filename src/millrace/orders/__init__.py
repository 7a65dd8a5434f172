"""An order's life, the sub-positions that fills make, and the money that orders hold. Pure."""
