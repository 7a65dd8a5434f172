"""The path of the bot that this grid grew from: time-outs, recoveries, evictions, soft closes (slots 2.4, 2.5).

It lives in this one folder, behind the sticky flag and behind the knob `slots.legacy_recovery`, so that it can be taken
out as one piece (slots 20.2 P5, 22 row 21): `legacy_path` alone knows of it, and a grid whose slots are all sticky runs
the same with the folder deleted, which a test shows. Carve-outs of partly filled entries are recoveries too, but they
belong to every grid and do not depend on anything here.
"""
