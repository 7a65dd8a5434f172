"""What a symbol's guards judge: triggers and how they are left, flow that runs a side over, figures of all symbols."""
