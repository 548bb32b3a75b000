"""What layers other than convolutions compute."""
