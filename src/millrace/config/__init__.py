"""Typed configuration: one TOML file, layers over it, legacy names, and an explanation of every value.

Read with stdlib tomllib and filled into msgspec records. No settings framework: this runs on the path of every command
(pydantic alone costs more than our whole start-up budget), and the contract's parsing rules (fall back, clamp, report;
legacy names; "not available yet") are what such a framework would have to be bent to.
"""
