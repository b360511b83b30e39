"""What indicators are: their definitions, and what each thing is in them as of a day; how they are asked is in `hub.indicators`."""
