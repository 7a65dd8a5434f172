"""Facts of ForecastEx's markets."""
