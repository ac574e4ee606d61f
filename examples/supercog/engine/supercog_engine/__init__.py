"""Agents and triggers of Supercog: one image, two commands."""
