"""Reading prompts, and making requests of them."""
