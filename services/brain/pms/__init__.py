"""Hotel systems behind the Pms port."""
