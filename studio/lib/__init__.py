"""The leaf of the house: what two apps need and what names no model."""
