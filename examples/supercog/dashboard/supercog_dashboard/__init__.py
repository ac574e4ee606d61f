"""Front end of Supercog and the API behind it."""
