"""What a basket is worth once execution is counted: fill chances, legs that fail apart, repair, impact, calibration."""
