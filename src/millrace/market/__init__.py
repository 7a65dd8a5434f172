"""What is known of the markets: last prices, bars, samples and the indicators drawn from them."""
