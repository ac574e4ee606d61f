"""What the services of Supercog have in common."""
